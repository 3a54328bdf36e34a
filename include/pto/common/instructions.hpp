// pto/common/instructions.hpp - the instructions, each a function over the types of its operands.
//
// An instruction calls the platform with the file and line of the kernel's source. Up to three events may follow its
// operands; it waits for them first.
//
// tilegraph/instructions.h generates most functions: the form of a row lists the operands of the instruction, and each
// form is a macro here. A new instruction of an existing form needs nothing in this file.
#ifndef TILEGRAPH_PTO_COMMON_INSTRUCTIONS_HPP
#define TILEGRAPH_PTO_COMMON_INSTRUCTIONS_HPP

#include <cstdint>
#include <type_traits>

#include <pto/common/operands.hpp>
#include <pto/common/order.hpp>
#include <pto/common/pto_tile.hpp>

namespace pto
{

// The last parameters of every instruction, and their use: it waits for the events first.
#define TG_PTO_AT                                                                                                      \
    detail::Wait w0 = {}, detail::Wait w1 = {}, detail::Wait w2 = {}, const char *file = __builtin_FILE(),             \
                 int line = __builtin_LINE()
#define TG_PTO_WAIT (w0(file, line), w1(file, line), w2(file, line))

// Pass an instruction of tiles to the platform, and return; `checks` are assertions about the operands' types.
#define TG_PTO_ISSUE(name, checks, dst, a, b, tmp, scalar)                                                             \
    static_assert(checks);                                                                                             \
    TG_PTO_WAIT;                                                                                                       \
    tg_issue_tiles(TG_OP_##name, dst, a, b, tmp, scalar, file, line);                                                  \
    return { file, line }

// ---- forms: a macro for each, with the instruction's name and the element types that it takes

#define TG_PTO_BINARY(name, types)                                                                                     \
    template <typename D, typename A, typename B> RecordEvent name(D &dst, A &a, B &b, TG_PTO_AT)                      \
    {                                                                                                                  \
        TG_PTO_ISSUE(name, (detail::elementwise<types, D, A, B>()), &dst.tile(), &a.tile(), &b.tile(), nullptr, 0);    \
    }                                                                                                                  \
    template <auto Algorithm, typename D, typename A, typename B> RecordEvent name(D &dst, A &a, B &b, TG_PTO_AT)      \
    {                                                                                                                  \
        TG_PTO_ISSUE(name, (detail::elementwise<types, D, A, B>()), &dst.tile(), &a.tile(), &b.tile(), nullptr, 0);    \
    }
#define TG_PTO_UNARY(name, types)                                                                                      \
    template <typename D, typename A> RecordEvent name(D &dst, A &a, TG_PTO_AT)                                        \
    {                                                                                                                  \
        TG_PTO_ISSUE(name, (detail::elementwise<types, D, A>()), &dst.tile(), &a.tile(), nullptr, nullptr, 0);         \
    }                                                                                                                  \
    template <auto Algorithm, typename D, typename A> RecordEvent name(D &dst, A &a, TG_PTO_AT)                        \
    {                                                                                                                  \
        TG_PTO_ISSUE(name, (detail::elementwise<types, D, A>()), &dst.tile(), &a.tile(), nullptr, nullptr, 0);         \
    }
#define TG_PTO_UNARY_SCALAR(name, types)                                                                               \
    template <typename D, typename A> RecordEvent name(D &dst, A &a, typename D::DType scalar, TG_PTO_AT)              \
    {                                                                                                                  \
        TG_PTO_ISSUE(name, (detail::elementwise<types, D, A>()), &dst.tile(), &a.tile(), nullptr, nullptr, scalar);    \
    }
#define TG_PTO_UNARY_TMP(name, types)                                                                                  \
    TG_PTO_UNARY(name, types)                                                                                          \
    template <typename D, typename A, typename T, typename = std::enable_if_t<is_tile_data_v<T>>>                      \
    RecordEvent name(D &dst, A &a, T &tmp, TG_PTO_AT)                                                                  \
    {                                                                                                                  \
        TG_PTO_ISSUE(name, (detail::elementwise<types, D, A>()), &dst.tile(), &a.tile(), nullptr, &tmp.tile(), 0);     \
    }
#define TG_PTO_FILL(name, types)                                                                                       \
    template <typename D> RecordEvent name(D &dst, typename D::DType scalar, TG_PTO_AT)                                \
    {                                                                                                                  \
        TG_PTO_ISSUE(name, (detail::vectors<types, D>()), &dst.tile(), nullptr, nullptr, nullptr, scalar);             \
    }
#define TG_PTO_ROW_REDUCTION(name, types)                                                                              \
    template <typename D, typename A, typename T> RecordEvent name(D &dst, A &a, T &tmp, TG_PTO_AT)                    \
    {                                                                                                                  \
        TG_PTO_ISSUE(name, (detail::row_reduction<types, D, A, T>()), detail::column_of(dst).get(), &a.tile(),         \
                     nullptr, &tmp.tile(), 0);                                                                         \
    }
#define TG_PTO_ROW_INDEX(name, types)                                                                                  \
    template <typename D, typename A, typename T> RecordEvent name(D &dst, A &a, T &tmp, TG_PTO_AT)                    \
    {                                                                                                                  \
        TG_PTO_ISSUE(name, (detail::row_index<types, D, A, T>()), detail::column_of(dst).get(), &a.tile(), nullptr,    \
                     &tmp.tile(), 0);                                                                                  \
    }
#define TG_PTO_ROW_EXPAND(name, types)                                                                                 \
    template <typename D, typename B> RecordEvent name(D &dst, B &column, TG_PTO_AT)                                   \
    {                                                                                                                  \
        TG_PTO_ISSUE(name, (detail::vectors<types, D, B>()), &dst.tile(), nullptr, detail::column_of(column).get(),    \
                     nullptr, 0);                                                                                      \
    }
// A fourth tile is scratch on a device; otherwise the device uses the last 8 KiB of UB.
#define TG_PTO_ROW_EXPAND_WITH(name, types)                                                                            \
    template <typename D, typename A, typename B> RecordEvent name(D &dst, A &a, B &b, TG_PTO_AT)                      \
    {                                                                                                                  \
        TG_PTO_ISSUE(name, (detail::row_expand<types, D, A, B>()), &dst.tile(), &a.tile(), &b.tile(), nullptr, 0);     \
    }                                                                                                                  \
    template <typename D, typename A, typename B, typename T, typename = std::enable_if_t<is_tile_data_v<T>>>          \
    RecordEvent name(D &dst, A &a, B &b, T &tmp, TG_PTO_AT)                                                            \
    {                                                                                                                  \
        TG_PTO_ISSUE(name, (detail::row_expand<types, D, A, B>()), &dst.tile(), &a.tile(), &b.tile(), &tmp.tile(), 0); \
    }
#define TG_PTO_COL_REDUCTION(name, types)                                                                              \
    template <typename D, typename A> RecordEvent name(D &dst, A &a, TG_PTO_AT)                                        \
    {                                                                                                                  \
        static_assert(detail::column_wise<types, D, A>());                                                             \
        TG_PTO_WAIT;                                                                                                   \
        tg_issue_reduced(TG_OP_##name, &dst.tile(), &a.tile(), file, line);                                            \
        return {file, line};                                                                                           \
    }                                                                                                                  \
    /* tmp holds sums of pairs of rows on a device if they are added in a tree. */                                     \
    template <typename D, typename A, typename T, typename = std::enable_if_t<is_tile_data_v<T>>>                      \
    RecordEvent name(D &dst, A &a, T &tmp, bool in_a_tree = false, TG_PTO_AT)                                          \
    {                                                                                                                  \
        static_assert(detail::column_wise<types, D, A>());                                                             \
        TG_PTO_WAIT;                                                                                                   \
        const tg_tile first = tg_tile_first_row(&dst.tile());                                                          \
        tg_issue_tiles(TG_OP_##name, &first, &a.tile(), nullptr, in_a_tree ? &tmp.tile() : nullptr, 0, file, line);    \
        return {file, line};                                                                                           \
    }
#define TG_PTO_COL_EXPAND(name, types)                                                                                 \
    template <typename D, typename B> RecordEvent name(D &dst, B &row, TG_PTO_AT)                                      \
    {                                                                                                                  \
        static_assert(detail::column_wise<types, D, B>());                                                             \
        TG_PTO_WAIT;                                                                                                   \
        tg_issue_expanded(TG_OP_##name, &dst.tile(), nullptr, &row.tile(), file, line);                                \
        return {file, line};                                                                                           \
    }
#define TG_PTO_COL_EXPAND_WITH(name, types)                                                                            \
    template <typename D, typename A, typename B> RecordEvent name(D &dst, A &a, B &b, TG_PTO_AT)                      \
    {                                                                                                                  \
        static_assert(detail::column_wise<types, D, A, B>());                                                          \
        TG_PTO_WAIT;                                                                                                   \
        tg_issue_expanded(TG_OP_##name, &dst.tile(), &a.tile(), &b.tile(), file, line);                                \
        return {file, line};                                                                                           \
    }
// The area outside the source's valid part is filled with the pad value of dst's type.
#define TG_PTO_PAD(name, types)                                                                                        \
    template <typename D, typename A> RecordEvent name(D &dst, A &a, TG_PTO_AT)                                        \
    {                                                                                                                  \
        static_assert(detail::padded<types, D, A>());                                                                  \
        TG_PTO_WAIT;                                                                                                   \
        tg_issue_pad(TG_OP_##name, &dst.tile(), &a.tile(), detail::pad_value<typename D::DType>(D::PadVal), file,      \
                     line);                                                                                            \
        return {file, line};                                                                                           \
    }
#define TG_PTO_PAD_INPLACE(name, types) TG_PTO_PAD(name, types)

// These are written out below or in order.hpp: they have arguments besides their operands.
#define TG_PTO_LOAD(name, types)
#define TG_PTO_STORE(name, types)
#define TG_PTO_MOVE(name, types)
#define TG_PTO_PRODUCT(name, types)
#define TG_PTO_PRODUCT_ACC(name, types)
#define TG_PTO_PRODUCT_BIAS(name, types)
#define TG_PTO_EXTRACT(name, types)
#define TG_PTO_CONVERT(name, types)
#define TG_PTO_COMPARE(name, types)
#define TG_PTO_COMPARE_SCALAR(name, types)
#define TG_PTO_SELECT(name, types)
#define TG_PTO_GATHER(name, types)
#define TG_PTO_GATHER_MASK(name, types)
#define TG_PTO_SCATTER(name, types)
#define TG_PTO_SEQUENCE(name, types)
#define TG_PTO_TRANSPOSE(name, types)
#define TG_PTO_CONCAT(name, types)
#define TG_PTO_SORT(name, types)
#define TG_PTO_MERGE_RUNS(name, types)
#define TG_PTO_MERGE_LISTS(name, types)
#define TG_PTO_GET_VALUE(name, types)
#define TG_PTO_SET_VALUE(name, types)
#define TG_PTO_RENAME(name, types)
#define TG_PTO_CACHE(name, types)
#define TG_PTO_NO_OPERANDS(name, types)
#define TG_PTO_FLAG(name, types)
#define TG_PTO_BARRIER(name, types)

#define TG_PTO_DEFINE(name, pipe, form, types, ...) TG_PTO_##form(name, detail::types)
TG_INSTRUCTIONS(TG_PTO_DEFINE)

// dst may be larger than src.
template <typename D, typename A> RecordEvent TFILLPAD_EXPAND(D &dst, A &a, TG_PTO_AT)
{
    return TFILLPAD(dst, a, w0, w1, w2, file, line);
}

// ---- places

// Place a tile `offset` bytes from the start of its buffer, or a GlobalTensor at a device address.
template <typename X, typename Where> void TASSIGN(X &it, Where where)
{
    if constexpr (is_global_data_v<X>) {
        static_assert(std::is_convertible_v<Where, typename X::DType *>,
                      "a GlobalTensor is placed at a pointer to its elements");
        it.place(where);
    } else {
        static_assert(is_tile_data_v<X>, "TASSIGN(tile, offset) or TASSIGN(GlobalTensor, pointer)");
        static_assert(std::is_integral_v<Where> || std::is_enum_v<Where>, "a tile is placed at an offset in bytes");
        it.place(static_cast<uint64_t>(where));
    }
}
template <uint64_t Offset, typename X> void TASSIGN(X &tile)
{
    static_assert(is_tile_data_v<X>, "TASSIGN<offset>(tile)");
    static_assert(Offset % detail::alignment_of(X::Loc) == 0,
                  "offsets are multiples of 32; Left and Right 512, Acc 64");
    static_assert(Offset + sizeof(typename X::DType) * X::Numel <= detail::capacity_of(X::Loc),
                  "the tile does not fit into its buffer: L1 512, L0A 64, L0B 64, L0C 128, UB 192 KiB");
    tile.place(Offset);
}

// dst gets the place and the bytes of src: another shape, layout or element type of as many bytes.
template <typename D, typename S> RecordEvent TRESHAPE(D &dst, S &src, TG_PTO_AT)
{
    static_assert(detail::renamed<D, S>());
    TG_PTO_WAIT;
    dst.place(src.tile().offset);
    tg_issue_tiles(TG_OP_TRESHAPE, &dst.tile(), &src.tile(), nullptr, nullptr, 0, file, line);
    return {file, line};
}

// ---- transfers

template <typename D, typename G> RecordEvent TLOAD(D &dst, G &src, TG_PTO_AT)
{
    static_assert(detail::loadable<D, G>());
    TG_PTO_WAIT;
    const tg_global view = detail::view_for<D>(src);
    tg_issue_transfer(TG_OP_TLOAD, &dst.tile(), nullptr, &view, file, line);
    return {file, line};
}

// AtomicAdd adds to device memory. NormalRelu stores the larger of an Acc's value and 0.
template <typename S, typename G, AtomicType Atomic = AtomicType::AtomicNone, ReluPreMode Relu = ReluPreMode::NoRelu>
RecordEvent TSTORE(G &dst, S &src, TG_PTO_AT)
{
    static_assert(detail::storable<S, G>());
    TG_PTO_WAIT;
    const tg_global view = detail::view_for<S>(dst);
    tg_issue_store(&view, &src.tile(), detail::store_mode(Atomic, Relu), 0, file, line);
    return {file, line};
}
// An Acc of int32_t as half: its values times the float whose bits are the low 32 of `scale`.
template <typename S, typename G, AtomicType Atomic = AtomicType::AtomicNone, ReluPreMode Relu = ReluPreMode::NoRelu>
RecordEvent TSTORE(G &dst, S &src, uint64_t scale, TG_PTO_AT)
{
    static_assert(detail::storable<S, G>());
    TG_PTO_WAIT;
    const tg_global view = detail::view_for<S>(dst);
    tg_issue_store(&view, &src.tile(), detail::store_mode(Atomic, Relu) | TG_STORE_SCALE,
                   static_cast<double>(detail::float_of(static_cast<uint32_t>(scale))), file, line);
    return {file, line};
}

template <STPhase Phase, typename G, typename S> RecordEvent TSTORE(G &dst, S &src, TG_PTO_AT)
{
    static_assert(detail::has_no_unit_flags<Phase == STPhase::Unspecified>());
    return TSTORE(dst, src, w0, w1, w2, file, line);
}

template <typename D, typename S> RecordEvent TMOV(D &dst, S &src, TG_PTO_AT)
{
    static_assert(detail::movable<D, S>());
    TG_PTO_WAIT;
    tg_issue_move(&dst.tile(), &src.tile(), file, line);
    return {file, line};
}

// The window of src whose first element is [row][col], as large as dst's valid part.
template <typename D, typename S> RecordEvent TEXTRACT(D &dst, S &src, int64_t row = 0, int64_t col = 0, TG_PTO_AT)
{
    static_assert(detail::extractable<D, S>());
    TG_PTO_WAIT;
    tg_issue_any(TG_OP_TEXTRACT, &dst.tile(), &src.tile(), nullptr, nullptr, nullptr, 0, 0, row, col, file, line);
    return {file, line};
}

// ---- products: acc [m][n], left [m][k], right [k][n]; m and k are left's valid sizes, n is right's valid columns

template <typename C, typename A, typename B> RecordEvent TMATMUL(C &acc, A &left, B &right, TG_PTO_AT)
{
    static_assert(detail::product<C, A, B>());
    TG_PTO_WAIT;
    detail::multiply(TG_OP_TMATMUL, acc.tile(), left.tile(), right.tile(), nullptr, file, line);
    return {file, line};
}

template <typename C, typename A, typename B> RecordEvent TMATMUL_ACC(C &acc, A &left, B &right, TG_PTO_AT)
{
    static_assert(detail::product<C, A, B>());
    TG_PTO_WAIT;
    detail::multiply(TG_OP_TMATMUL_ACC, acc.tile(), left.tile(), right.tile(), nullptr, file, line);
    return {file, line};
}
// `in` is where `acc` is.
template <typename C, typename I, typename A, typename B, typename = std::enable_if_t<is_tile_data_v<B>>>
RecordEvent TMATMUL_ACC(C &acc, I &in, A &left, B &right, TG_PTO_AT)
{
    static_assert(detail::product<C, A, B>() && detail::product<I, A, B>());
    TG_PTO_WAIT;
    // Another place is not offered: the rules refuse the extra operand.
    const tg_tile *elsewhere = in.tile().offset == acc.tile().offset ? nullptr : &in.tile();
    detail::multiply(TG_OP_TMATMUL_ACC, acc.tile(), left.tile(), right.tile(), elsewhere, file, line);
    return {file, line};
}

template <AccPhase Phase, typename C, typename A, typename B> RecordEvent TMATMUL(C &acc, A &left, B &right, TG_PTO_AT)
{
    static_assert(detail::has_no_unit_flags<Phase == AccPhase::Unspecified>());
    return TMATMUL(acc, left, right, w0, w1, w2, file, line);
}
template <AccPhase Phase, typename C, typename I, typename A, typename B>
RecordEvent TMATMUL_ACC(C &acc, I &in, A &left, B &right, TG_PTO_AT)
{
    static_assert(detail::has_no_unit_flags<Phase == AccPhase::Unspecified>());
    return TMATMUL_ACC(acc, in, left, right, w0, w1, w2, file, line);
}

// The sum starts with the row `bias`, which has a number for each column of acc.
template <typename C, typename A, typename B, typename S>
RecordEvent TMATMUL_BIAS(C &acc, A &left, B &right, S &bias, TG_PTO_AT)
{
    static_assert(detail::product<C, A, B>() && detail::is_bias_of<S, C>());
    TG_PTO_WAIT;
    detail::multiply(TG_OP_TMATMUL_BIAS, acc.tile(), left.tile(), right.tile(), nullptr, file, line, &bias.tile());
    return {file, line};
}

// Products of a Left tile with one valid row.
template <typename C, typename A, typename B> RecordEvent TGEMV(C &acc, A &left, B &right, TG_PTO_AT)
{
    static_assert(detail::may_equal(A::ValidRow, 1), "TGEMV takes a Left tile with one valid row");
    return TMATMUL(acc, left, right, w0, w1, w2, file, line);
}
template <typename C, typename I, typename A, typename B, typename = std::enable_if_t<is_tile_data_v<B>>>
RecordEvent TGEMV_ACC(C &acc, I &in, A &left, B &right, TG_PTO_AT)
{
    static_assert(detail::may_equal(A::ValidRow, 1), "TGEMV_ACC takes a Left tile with one valid row");
    return TMATMUL_ACC(acc, in, left, right, w0, w1, w2, file, line);
}
template <typename C, typename A, typename B, typename S>
RecordEvent TGEMV_BIAS(C &acc, A &left, B &right, S &bias, TG_PTO_AT)
{
    static_assert(detail::may_equal(A::ValidRow, 1), "TGEMV_BIAS takes a Left tile with one valid row");
    return TMATMUL_BIAS(acc, left, right, bias, w0, w1, w2, file, line);
}

// Pass an instruction to the platform whose operands are more than tiles of one shape.
#define TG_PTO_ISSUE_ANY(op, checks, dst, a, b, index, tmp, scalar, mode, first)                                       \
    static_assert(checks);                                                                                             \
    TG_PTO_WAIT;                                                                                                       \
    tg_issue_any(TG_OP_##op, dst, a, b, index, tmp, scalar, mode, first, 0, file, line);                               \
    return { file, line }

// ---- conversion, comparison, selection

// The default saturation of a conversion depends on the pair of types. tmp is scratch on a device.
#define TG_PTO_CONVERSION(tmp, saturation)                                                                             \
    TG_PTO_ISSUE_ANY(TCVT, (detail::converted<D, S>()), &dst.tile(), &src.tile(), nullptr, nullptr, tmp, 0,            \
                     detail::convert_mode(mode, saturation), 0)
template <typename D, typename S> RecordEvent TCVT(D &dst, S &src, RoundMode mode, TG_PTO_AT)
{
    TG_PTO_CONVERSION(nullptr, TG_SATURATION_DEFAULT);
}
template <typename D, typename S> RecordEvent TCVT(D &dst, S &src, RoundMode mode, SaturationMode saturation, TG_PTO_AT)
{
    TG_PTO_CONVERSION(nullptr, detail::saturation_of(saturation));
}
template <typename D, typename S, typename T> RecordEvent TCVT(D &dst, S &src, T &tmp, RoundMode mode, TG_PTO_AT)
{
    TG_PTO_CONVERSION(&tmp.tile(), TG_SATURATION_DEFAULT);
}
template <typename D, typename S, typename T>
RecordEvent TCVT(D &dst, S &src, T &tmp, RoundMode mode, SaturationMode saturation, TG_PTO_AT)
{
    TG_PTO_CONVERSION(&tmp.tile(), detail::saturation_of(saturation));
}
template <typename M, typename A, typename B> RecordEvent TCMP(M &mask, A &a, B &b, CmpMode how, TG_PTO_AT)
{
    TG_PTO_ISSUE_ANY(TCMP, (detail::is_mask<M>() && detail::elementwise<detail::NUMBERS, A, B>()), &mask.tile(),
                     &a.tile(), &b.tile(), nullptr, nullptr, 0, static_cast<uint32_t>(how), 0);
}
template <typename M, typename A> RecordEvent TCMPS(M &mask, A &a, typename A::DType scalar, CmpMode how, TG_PTO_AT)
{
    TG_PTO_ISSUE_ANY(TCMPS, (detail::is_mask<M>() && detail::elementwise<detail::NUMBERS, A>()), &mask.tile(),
                     &a.tile(), nullptr, nullptr, nullptr, scalar, static_cast<uint32_t>(how), 0);
}
template <typename D, typename M, typename A, typename B> RecordEvent TSEL(D &dst, M &mask, A &a, B &b, TG_PTO_AT)
{
    TG_PTO_ISSUE_ANY(TSEL, (detail::is_mask<M>() && detail::elementwise<detail::ANY, D, A, B>()), &dst.tile(),
                     &a.tile(), &b.tile(), &mask.tile(), nullptr, 0, 0, 0);
}
template <typename D, typename M, typename A, typename B, typename T, typename = std::enable_if_t<is_tile_data_v<T>>>
RecordEvent TSEL(D &dst, M &mask, A &a, B &b, T &tmp, TG_PTO_AT)
{
    TG_PTO_ISSUE_ANY(TSEL, (detail::is_mask<M>() && detail::elementwise<detail::ANY, D, A, B>()), &dst.tile(),
                     &a.tile(), &b.tile(), &mask.tile(), &tmp.tile(), 0, 0, 0);
}

// ---- moving elements

// dst[r][c] = src's element number index[r][c], counted from its start.
template <typename D, typename S, typename I> RecordEvent TGATHER(D &dst, S &src, I &index, TG_PTO_AT)
{
    TG_PTO_ISSUE_ANY(TGATHER, (detail::vectors<detail::WORDS, D, S>() && detail::is_index_of<I, D>()), &dst.tile(),
                     &src.tile(), nullptr, &index.tile(), nullptr, 0, 0, 0);
}
template <typename D, typename S, typename I, typename T, typename = std::enable_if_t<is_tile_data_v<T>>>
RecordEvent TGATHER(D &dst, S &src, I &index, T &tmp, TG_PTO_AT)
{
    TG_PTO_ISSUE_ANY(TGATHER, (detail::vectors<detail::WORDS, D, S>() && detail::is_index_of<I, D>()), &dst.tile(),
                     &src.tile(), nullptr, &index.tile(), &tmp.tile(), 0, 0, 0);
}
// The elements of each row that the pattern names, packed.
template <typename D, typename S, MaskPattern Pattern> RecordEvent TGATHER(D &dst, S &src, TG_PTO_AT)
{
    TG_PTO_ISSUE_ANY(TGATHER_MASK, (detail::vectors<detail::WORDS, D, S>()), &dst.tile(), &src.tile(), nullptr, nullptr,
                     nullptr, 0, static_cast<uint32_t>(Pattern), 0);
}
template <typename D, typename S, typename I> RecordEvent TSCATTER(D &dst, S &src, I &index, TG_PTO_AT)
{
    TG_PTO_ISSUE_ANY(TSCATTER, (detail::vectors<detail::ANY, D, S>() && detail::is_index_of<I, S>()), &dst.tile(),
                     &src.tile(), nullptr, &index.tile(), nullptr, 0, 0, 0);
}
// start, start + 1, ... in the tile's one row; start, start - 1, ... if Descending.
template <typename D, typename T, int Descending = 0> RecordEvent TCI(D &dst, T start, TG_PTO_AT)
{
    TG_PTO_ISSUE_ANY(TCI, (detail::vectors<detail::INTEGERS, D>()), &dst.tile(), nullptr, nullptr, nullptr, nullptr,
                     static_cast<double>(start), Descending ? 1 : 0, 0);
}
template <typename D, typename S, typename T> RecordEvent TTRANS(D &dst, S &src, T &tmp, TG_PTO_AT)
{
    TG_PTO_ISSUE_ANY(TTRANS, (detail::vectors<detail::ANY, D, S, T>() && detail::same_type<D, S>()), &dst.tile(),
                     &src.tile(), nullptr, nullptr, &tmp.tile(), 0, 0, 0);
}
template <typename D, typename A, typename B> RecordEvent TCONCAT(D &dst, A &a, B &b, TG_PTO_AT)
{
    TG_PTO_ISSUE_ANY(TCONCAT, (detail::vectors<detail::ANY, D, A, B>() && detail::same_type<D, A>()), &dst.tile(),
                     &a.tile(), &b.tile(), nullptr, nullptr, 0, 0, 0);
}

// ---- sorting: pairs of 8 bytes, a number and its index, largest first

template <typename D, typename S, typename I> RecordEvent TSORT32(D &dst, S &src, I &index, TG_PTO_AT)
{
    TG_PTO_ISSUE_ANY(TSORT32, (detail::sorted<D, S>() && detail::is_index_of<I, S>()), &dst.tile(), &src.tile(),
                     nullptr, &index.tile(), nullptr, 0, 0, 0);
}
// Scratch serves an incomplete last group, which is not offered.
template <typename D, typename S, typename I, typename T, typename = std::enable_if_t<is_tile_data_v<T>>>
RecordEvent TSORT32(D &dst, S &src, I &index, T &, TG_PTO_AT)
{
    TG_PTO_ISSUE_ANY(TSORT32, (detail::sorted<D, S>() && detail::is_index_of<I, S>()), &dst.tile(), &src.tile(),
                     nullptr, &index.tile(), nullptr, 0, 0, 0);
}
// Each group of four runs of `length` elements becomes one run.
template <typename D, typename S> RecordEvent TMRGSORT(D &dst, S &src, uint32_t length, TG_PTO_AT)
{
    TG_PTO_ISSUE_ANY(TMRGSORT, (detail::sorted<D, S>()), &dst.tile(), &src.tile(), nullptr, nullptr, nullptr, 0, 0,
                     length);
}

// Two to four lists become one; `counts` gets the number of pairs taken from each. Exhausted: stop where a list
// ends.
template <typename D, typename T, typename A, typename B, bool Exhausted>
RecordEvent TMRGSORT(D &dst, MrgSortExecutedNumList &counts, T &tmp, A &a, B &b, TG_PTO_AT)
{
    static_assert(detail::sorted<D, T, A, B>());
    TG_PTO_WAIT;
    const tg_tile *const lists[4] = {&a.tile(), &b.tile(), nullptr, nullptr};
    detail::merge(&dst.tile(), counts, &tmp.tile(), lists, Exhausted, file, line);
    return {file, line};
}
template <typename D, typename T, typename A, typename B, typename C, bool Exhausted>
RecordEvent TMRGSORT(D &dst, MrgSortExecutedNumList &counts, T &tmp, A &a, B &b, C &c, TG_PTO_AT)
{
    static_assert(detail::sorted<D, T, A, B, C>());
    TG_PTO_WAIT;
    const tg_tile *const lists[4] = {&a.tile(), &b.tile(), &c.tile(), nullptr};
    detail::merge(&dst.tile(), counts, &tmp.tile(), lists, Exhausted, file, line);
    return {file, line};
}
template <typename D, typename T, typename A, typename B, typename C, typename E, bool Exhausted>
RecordEvent TMRGSORT(D &dst, MrgSortExecutedNumList &counts, T &tmp, A &a, B &b, C &c, E &d, TG_PTO_AT)
{
    static_assert(detail::sorted<D, T, A, B, C, E>());
    TG_PTO_WAIT;
    const tg_tile *const lists[4] = {&a.tile(), &b.tile(), &c.tile(), &d.tile()};
    detail::merge(&dst.tile(), counts, &tmp.tile(), lists, Exhausted, file, line);
    return {file, line};
}

// Print the first 8 rows and columns of a tile to stderr, as tg_tile_print of tilegraph/tile.h. It orders nothing.
template <typename S> RecordEvent TPRINT(S &src, TG_PTO_AT)
{
    static_assert(is_tile_data_v<S>, "TPRINT prints tiles: TLOAD device memory into one first");
    TG_PTO_WAIT;
    tg_show_tile(&src.tile(), "the tile", 8, 8, file, line);
    return {file, line};
}

} // namespace pto

#endif
