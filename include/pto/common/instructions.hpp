// pto/common/instructions.hpp - the instructions, each a function over the types of its operands.
//
// An instruction is announced to the platform with the file and line of the kernel's source. Up to three events may follow
// its operands; it waits for them first.
#ifndef TILEGRAPH_PTO_COMMON_INSTRUCTIONS_HPP
#define TILEGRAPH_PTO_COMMON_INSTRUCTIONS_HPP

#include <type_traits>

#include <pto/common/order.hpp>
#include <pto/common/pto_tile.hpp>

namespace pto
{

// The last parameters of every instruction, and what it does with them first.
#define TG_PTO_AT                                                                                                      \
    detail::Wait w0 = {}, detail::Wait w1 = {}, detail::Wait w2 = {}, const char *file = __builtin_FILE(),             \
                 int line = __builtin_LINE()
#define TG_PTO_WAIT (w0(file, line), w1(file, line), w2(file, line))

namespace detail
{

template <typename... X> constexpr bool are_tiles()
{
    static_assert((is_tile_data_v<X> && ...), "this operand is a Tile");
    return true;
}

template <TileType Loc, typename... X> constexpr bool are_all() { return ((X::Loc == Loc) && ...); }

// Row-major Vec tiles of one element type and one static valid shape, where it is known.
template <typename D, typename S> constexpr bool check_elementwise()
{
    static_assert(D::Loc == TileType::Vec && S::Loc == TileType::Vec, "a vector instruction takes Vec tiles");
    static_assert(D::isRowMajor && S::isRowMajor, "this instruction takes row-major tiles; TRESHAPE a column to a row");
    static_assert(std::is_same_v<typename D::DType, typename S::DType>,
                  "the operands of this instruction have one element type; convert with TCVT");
    static_assert(D::ValidRow == S::ValidRow || D::ValidRow == DYNAMIC || S::ValidRow == DYNAMIC,
                  "the operands of this instruction have the same valid rows");
    static_assert(D::ValidCol == S::ValidCol || D::ValidCol == DYNAMIC || S::ValidCol == DYNAMIC,
                  "the operands of this instruction have the same valid columns");
    return true;
}

} // namespace detail

// Place a tile `offset` bytes from the start of its buffer, or a GlobalTensor at a device address.
template <typename X, typename Where> void TASSIGN(X &it, Where where)
{
    if constexpr (is_global_data_v<X>) {
        it.place(where);
    } else {
        detail::are_tiles<X>();
        static_assert(std::is_integral_v<Where> || std::is_enum_v<Where>, "a tile is placed at an offset in bytes");
        it.place(static_cast<uint64_t>(where));
    }
}

template <typename D, typename G> RecordEvent TLOAD(D &dst, G &src, TG_PTO_AT)
{
    static_assert(is_tile_data_v<D> && is_global_data_v<G>, "TLOAD(tile, GlobalTensor)");
    TG_PTO_WAIT;
    const tg_global view = src.view();
    tg_issue_transfer(TG_OP_TLOAD, &dst.tile(), nullptr, &view, file, line);
    return {};
}

template <typename G, typename S> RecordEvent TSTORE(G &dst, S &src, TG_PTO_AT)
{
    static_assert(is_global_data_v<G> && is_tile_data_v<S>, "TSTORE(GlobalTensor, tile)");
    TG_PTO_WAIT;
    const tg_global view = dst.view();
    tg_issue_transfer(TG_OP_TSTORE, nullptr, &src.tile(), &view, file, line);
    return {};
}

template <typename D, typename S> RecordEvent TMOV(D &dst, S &src, TG_PTO_AT)
{
    detail::are_tiles<D, S>();
    TG_PTO_WAIT;
    tg_issue_tiles(TG_OP_TMOV, &dst.tile(), &src.tile(), nullptr, nullptr, 0, file, line);
    return {};
}

template <typename C, typename A, typename B> RecordEvent TMATMUL(C &acc, A &left, B &right, TG_PTO_AT)
{
    detail::are_tiles<C, A, B>();
    TG_PTO_WAIT;
    tg_issue_tiles(TG_OP_TMATMUL, &acc.tile(), &left.tile(), &right.tile(), nullptr, 0, file, line);
    return {};
}

template <typename C, typename A, typename B> RecordEvent TMATMUL_ACC(C &acc, A &left, B &right, TG_PTO_AT)
{
    detail::are_tiles<C, A, B>();
    TG_PTO_WAIT;
    tg_issue_tiles(TG_OP_TMATMUL_ACC, &acc.tile(), &left.tile(), &right.tile(), nullptr, 0, file, line);
    return {};
}

#define TG_PTO_BINARY(name)                                                                                            \
    template <typename D, typename A, typename B> RecordEvent name(D &dst, A &a, B &b, TG_PTO_AT)                      \
    {                                                                                                                  \
        static_assert(detail::are_tiles<D, A, B>() && detail::check_elementwise<D, A>() &&                             \
                      detail::check_elementwise<D, B>());                                                              \
        TG_PTO_WAIT;                                                                                                   \
        tg_issue_tiles(TG_OP_##name, &dst.tile(), &a.tile(), &b.tile(), nullptr, 0, file, line);                       \
        return {};                                                                                                     \
    }
TG_PTO_BINARY(TADD)
TG_PTO_BINARY(TSUB)
TG_PTO_BINARY(TMUL)
TG_PTO_BINARY(TDIV)
TG_PTO_BINARY(TMAX)

#define TG_PTO_SCALAR(name)                                                                                            \
    template <typename D, typename A> RecordEvent name(D &dst, A &a, typename D::DType scalar, TG_PTO_AT)              \
    {                                                                                                                  \
        static_assert(detail::are_tiles<D, A>() && detail::check_elementwise<D, A>());                                 \
        TG_PTO_WAIT;                                                                                                   \
        tg_issue_tiles(TG_OP_##name, &dst.tile(), &a.tile(), nullptr, nullptr, scalar, file, line);                    \
        return {};                                                                                                     \
    }
TG_PTO_SCALAR(TADDS)
TG_PTO_SCALAR(TMULS)
TG_PTO_SCALAR(TMAXS)

#define TG_PTO_UNARY(name)                                                                                             \
    template <typename D, typename A> RecordEvent name(D &dst, A &a, TG_PTO_AT)                                        \
    {                                                                                                                  \
        static_assert(detail::are_tiles<D, A>() && detail::check_elementwise<D, A>());                                 \
        TG_PTO_WAIT;                                                                                                   \
        tg_issue_tiles(TG_OP_##name, &dst.tile(), &a.tile(), nullptr, nullptr, 0, file, line);                         \
        return {};                                                                                                     \
    }
TG_PTO_UNARY(TEXP)
TG_PTO_UNARY(TLOG)
TG_PTO_UNARY(TSQRT)

#define TG_PTO_ROW_REDUCTION(name)                                                                                     \
    template <typename D, typename A, typename T> RecordEvent name(D &dst, A &a, T &tmp, TG_PTO_AT)                    \
    {                                                                                                                  \
        detail::are_tiles<D, A, T>();                                                                                  \
        TG_PTO_WAIT;                                                                                                   \
        tg_issue_tiles(TG_OP_##name, &dst.tile(), &a.tile(), nullptr, &tmp.tile(), 0, file, line);                     \
        return {};                                                                                                     \
    }
TG_PTO_ROW_REDUCTION(TROWMAX)
TG_PTO_ROW_REDUCTION(TROWSUM)

#define TG_PTO_ROW_EXPAND(name)                                                                                        \
    template <typename D, typename A, typename B> RecordEvent name(D &dst, A &a, B &b, TG_PTO_AT)                      \
    {                                                                                                                  \
        detail::are_tiles<D, A, B>();                                                                                  \
        TG_PTO_WAIT;                                                                                                   \
        tg_issue_tiles(TG_OP_##name, &dst.tile(), &a.tile(), &b.tile(), nullptr, 0, file, line);                       \
        return {};                                                                                                     \
    }
TG_PTO_ROW_EXPAND(TROWEXPANDSUB)
TG_PTO_ROW_EXPAND(TROWEXPANDMUL)
TG_PTO_ROW_EXPAND(TROWEXPANDDIV)

template <typename D, typename S> RecordEvent TRESHAPE(D &dst, S &src, TG_PTO_AT)
{
    detail::are_tiles<D, S>();
    TG_PTO_WAIT;
    dst.place(src.tile().offset);
    tg_issue_tiles(TG_OP_TRESHAPE, &dst.tile(), &src.tile(), nullptr, nullptr, 0, file, line);
    return {};
}

} // namespace pto

#endif
