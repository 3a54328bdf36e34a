// pto/common/operands.hpp - the rules for the types of operands, as assertions with sentences.
//
// Rules for values (dynamic sizes, places, addresses) are checked when the instruction is executed.
#ifndef TILEGRAPH_PTO_COMMON_OPERANDS_HPP
#define TILEGRAPH_PTO_COMMON_OPERANDS_HPP

#include <cstdint>
#include <limits>
#include <type_traits>

#include <pto/common/pto_tile.hpp>

namespace pto
{
namespace detail
{

// Sets of element types, by the names that the rows of tilegraph/instructions.h use: a bit by enum tg_dtype.
inline constexpr unsigned FLOATS = 1u << TG_FP32 | 1u << TG_FP16;
inline constexpr unsigned NUMBERS = FLOATS | 1u << TG_INT32 | 1u << TG_INT16;
inline constexpr unsigned INTEGERS = 1u << TG_INT32 | 1u << TG_UINT32 | 1u << TG_INT16 | 1u << TG_UINT16;
inline constexpr unsigned WORDS = INTEGERS | FLOATS | 1u << TG_BF16;
inline constexpr unsigned CUBE = 1u << TG_FP32 | 1u << TG_FP16 | 1u << TG_BF16 | 1u << TG_INT8;
inline constexpr unsigned ANY = ~0u;

template <unsigned types, typename X> constexpr bool holds()
{
    static_assert(
        types >> dtype_of<typename X::DType>::value & 1u,
        "this instruction does not take this element type on A2/A3: convert with TCVT; bf16 is computed as fp32");
    return true;
}

constexpr bool may_equal(int a, int b) { return a == b || a == DYNAMIC || b == DYNAMIC; }

// Vec tiles of types that the instruction takes.
template <unsigned types, typename... X> constexpr bool vectors()
{
    static_assert((is_tile_data_v<X> && ...), "the operands of this instruction are tiles");
    static_assert(((X::Loc == TileType::Vec) && ...), "a vector instruction takes Vec tiles");
    return (holds<types, X>() && ...);
}

template <typename D, typename S> constexpr bool same_type()
{
    static_assert(std::is_same_v<typename D::DType, typename S::DType>,
                  "the operands of this instruction have one element type; convert with TCVT");
    return true;
}

template <typename D, typename S> constexpr bool same_valid()
{
    static_assert(may_equal(D::ValidRow, S::ValidRow), "the operands of this instruction have the same valid rows");
    static_assert(may_equal(D::ValidCol, S::ValidCol), "the operands of this instruction have the same valid columns");
    return true;
}

template <typename... X> constexpr bool row_major()
{
    static_assert((X::isRowMajor && ...), "this instruction takes row-major tiles; TRESHAPE a column to a row");
    return true;
}

// Row-major tiles of one type and valid shape.
template <unsigned types, typename D, typename... S> constexpr bool elementwise()
{
    return vectors<types, D, S...>() && row_major<D, S...>() && (same_type<D, S>() && ...) &&
           (same_valid<D, S>() && ...);
}

// The tile as a column: of a row-major one the first column has the scalars.
template <typename X> class column
{
  public:
    explicit column(const X &x) : tile_(x.tile())
    {
        if (X::isRowMajor) tile_.valid_cols = 1;
    }
    const tg_tile *get() const { return &tile_; }

  private:
    tg_tile tile_;
};
template <typename X> column<X> column_of(const X &x) { return column<X>(x); }

// A scalar for each row of A: a column, or the first column of a row-major tile.
template <typename D, typename A> constexpr bool reduced_to_column()
{
    static_assert(D::isRowMajor || D::Cols == 1, "the result has a scalar a row: a column-major tile of one column");
    static_assert(may_equal(D::ValidRow, A::ValidRow), "the result has as many valid rows as the source");
    return true;
}

template <unsigned types, typename D, typename A, typename T> constexpr bool row_reduction()
{
    return vectors<types, D, A, T>() && row_major<A, T>() && same_type<D, A>() && same_type<T, A>() &&
           reduced_to_column<D, A>();
}

template <unsigned types, typename D, typename A, typename T> constexpr bool row_index()
{
    static_assert(std::is_same_v<typename D::DType, int32_t> || std::is_same_v<typename D::DType, uint32_t>,
                  "the result is a column of int32_t or uint32_t");
    return vectors<types, A, T>() && vectors<ANY, D>() && row_major<A, T>() && same_type<T, A>() &&
           reduced_to_column<D, A>();
}

// One of A and B has dst's shape; the other has a scalar for each row.
template <unsigned types, typename D, typename A, typename B> constexpr bool row_expand()
{
    static_assert(A::isRowMajor || B::isRowMajor, "one operand has dst's shape, the other a scalar for each row");
    return vectors<types, D, A, B>() && row_major<D>() && same_type<D, A>() && same_type<D, B>();
}

template <unsigned types, typename D, typename... S> constexpr bool column_wise()
{
    static_assert((may_equal(D::ValidCol, S::ValidCol) && ...),
                  "the operands of this instruction have the same valid columns");
    return vectors<types, D, S...>() && row_major<D, S...>() && (same_type<D, S>() && ...);
}

// ---- padding

template <unsigned types, typename D, typename A> constexpr bool padded()
{
    static_assert(D::PadVal != PadValue::Null,
                  "the pad value is that of dst's type: declare dst with PadValue::Zero, Min or Max");
    return vectors<types, D, A>() && row_major<D, A>() && same_type<D, A>();
}

template <typename T> double pad_value(PadValue pad)
{
    using limits = std::numeric_limits<std::conditional_t<std::is_integral_v<T>, T, float>>;
    constexpr bool is_float = !std::is_integral_v<T>;
    switch (pad) {
    case PadValue::Zero: return 0;
    case PadValue::Max: return is_float ? limits::infinity() : static_cast<double>(limits::max());
    case PadValue::Min: return is_float ? -limits::infinity() : static_cast<double>(limits::lowest());
    default: return static_cast<double>(float_of(static_cast<uint32_t>(static_cast<uint64_t>(pad))));
    }
}

// ---- places

constexpr uint64_t capacity_of(TileType type)
{
    return type == TileType::Mat     ? 512u * 1024u
           : type == TileType::Acc   ? 128u * 1024u
           : type == TileType::Left  ? 64u * 1024u
           : type == TileType::Right ? 64u * 1024u
           : type == TileType::Bias  ? 1024u
                                     : 192u * 1024u;
}

constexpr uint64_t alignment_of(TileType type)
{
    return type == TileType::Left || type == TileType::Right ? 512u
           : type == TileType::Acc || type == TileType::Bias ? 64u
                                                             : 32u;
}

template <typename D, typename S> constexpr bool renamed()
{
    static_assert(is_tile_data_v<D> && is_tile_data_v<S>, "TRESHAPE(tile, tile)");
    static_assert(D::Loc == S::Loc, "TRESHAPE stays in one buffer; TMOV goes to another");
    static_assert(D::Numel * sizeof(typename D::DType) == S::Numel * sizeof(typename S::DType),
                  "both tiles of a TRESHAPE have the same number of bytes");
    static_assert(D::isBoxedLayout == S::isBoxedLayout, "TRESHAPE makes no fractals and dissolves none");
    return true;
}

// ---- transfers

// The layouts that a transfer between a tile and device memory can have.
template <typename X, typename G> constexpr bool transferable()
{
    static_assert(is_tile_data_v<X> && is_global_data_v<G>, "a transfer is between a tile and a GlobalTensor");
    static_assert(sizeof(typename X::DType) == sizeof(typename G::DType) || X::Loc == TileType::Acc,
                  "tile and GlobalTensor have elements of one size; convert with TCVT");
    constexpr bool is_nd = G::layout == Layout::ND, line = X::Rows == 1 || X::Cols == 1;
    constexpr bool later = line || G::layout == Layout::NZ; // the instruction compares the shapes
    static_assert(X::Loc != TileType::Vec || (G::layout != Layout::NZ && (line || X::isRowMajor == is_nd)),
                  "a row-major Vec tile takes a GlobalTensor in Layout::ND, a column-major one Layout::DN");
    constexpr auto rows = G::staticShape[0] * G::staticShape[1] * G::staticShape[2] * G::staticShape[3];
    constexpr bool rows_known = G::staticShape[0] != DYNAMIC && G::staticShape[1] != DYNAMIC &&
                                G::staticShape[2] != DYNAMIC && G::staticShape[3] != DYNAMIC && X::ValidRow != DYNAMIC;
    static_assert(!rows_known || later || rows == X::ValidRow,
                  "the GlobalTensor has other rows than the tile's valid part");
    static_assert(later || G::staticShape[4] == DYNAMIC || may_equal(static_cast<int>(G::staticShape[4]), X::ValidCol),
                  "the GlobalTensor has other columns than the tile's valid part");
    return true;
}

template <typename D, typename G> constexpr bool loadable()
{
    static_assert(D::Loc == TileType::Vec || D::Loc == TileType::Mat,
                  "TLOAD fills Vec and Mat tiles; TMOV goes on to Left and Right");
    static_assert(D::Loc != TileType::Mat || !D::isBoxedLayout || D::isRowMajor == (G::layout == Layout::DN),
                  "a column-major Mat tile (NZ) takes a GlobalTensor in Layout::ND or NZ, a row-major one (ZN) "
                  "Layout::DN");
    return transferable<D, G>();
}

template <typename S, typename G> constexpr bool storable()
{
    static_assert(S::Loc == TileType::Vec || S::Loc == TileType::Acc, "TSTORE takes Vec and Acc tiles");
    static_assert(S::Loc != TileType::Acc || G::layout == Layout::ND, "an Acc tile is stored to Layout::ND");
    static_assert(S::Loc != TileType::Acc || std::is_same_v<typename S::DType, int32_t> ||
                      !std::is_same_v<typename G::DType, int32_t>,
                  "an Acc tile of float is stored as float, half or bfloat16_t");
    return transferable<S, G>();
}

// The view of device memory for a transfer with a tile of type X. A line of elements is the same in ND and DN, so it
// gets the layout of the tile. Types of one size have the same bytes.
template <typename X, typename G> tg_global view_for(const G &global)
{
    tg_global view = global.view();
    if constexpr (X::Loc != TileType::Acc) view.dtype = dtype_of<typename X::DType>::value;
    if constexpr (X::Loc == TileType::Vec && X::isRowMajor != (G::layout == Layout::ND)) {
        constexpr int along = X::isRowMajor ? 4 : 3, other = X::isRowMajor ? 3 : 4;
        const bool turned = view.shape[along] == 1 && view.shape[other] > 1;
        if (view.stride[turned ? other : along] == 1) {
            view.layout = X::isRowMajor ? TG_ROW_MAJOR : TG_COL_MAJOR;
            view.stride[along] = 1;
            if (turned) view.shape[along] = view.shape[other], view.shape[other] = 1;
        }
    }
    return view;
}

// A move keeps the element type, but for an Acc of float.
template <typename D, typename S> constexpr bool moved_type()
{
    if constexpr (S::Loc == TileType::Acc) {
        static_assert(std::is_same_v<typename S::DType, float> && !std::is_same_v<typename D::DType, int8_t>,
                      "an Acc of float becomes a Mat of float, half or bfloat16_t");
        return true;
    } else {
        return same_type<D, S>();
    }
}

template <typename D, typename S> constexpr bool movable()
{
    static_assert(is_tile_data_v<D> && is_tile_data_v<S>, "TMOV(tile, tile)");
    static_assert((D::Loc == TileType::Vec && S::Loc == TileType::Vec) ||
                      ((D::Loc == TileType::Left || D::Loc == TileType::Right || D::Loc == TileType::Bias) &&
                       S::Loc == TileType::Mat) ||
                      (D::Loc == TileType::Mat && S::Loc == TileType::Acc),
                  "TMOV goes from Mat to Left, Right or Bias, from Acc to Mat, or from Vec to Vec");
    static_assert(D::Rows == S::Rows && D::Cols == S::Cols, "both tiles of a TMOV have the same Rows and Cols");
    return moved_type<D, S>();
}

// ---- cube

template <typename C, typename A, typename B> constexpr bool product()
{
    static_assert(is_tile_data_v<C> && is_tile_data_v<A> && is_tile_data_v<B>, "a product takes tiles");
    static_assert(C::Loc == TileType::Acc && A::Loc == TileType::Left && B::Loc == TileType::Right,
                  "a product is of a Left and a Right tile, into an Acc tile");
    static_assert(A::Rows == C::Rows && A::Cols == B::Rows && B::Cols == C::Cols,
                  "a product is Acc [m][n] = Left [m][k] x Right [k][n]: Rows and Cols do not fit");
    using L = typename A::DType;
    using R = typename B::DType;
    static_assert(std::is_same_v<L, R>, "Left and Right have one element type");
    static_assert(std::is_same_v<typename C::DType, std::conditional_t<std::is_same_v<L, int8_t>, int32_t, float>>,
                  "products of float, half and bfloat16_t are float, those of int8_t are int32_t");
    return true;
}

// left's valid sizes and right's valid columns give the sizes of a product. The other sizes of acc and right are not
// checked.
inline void multiply(uint32_t op, tg_tile acc, const tg_tile &left, tg_tile right, const tg_tile *tmp, const char *file,
                     int line, const tg_tile *bias = nullptr)
{
    if (left.valid_cols <= right.rows) right.valid_rows = left.valid_cols;
    if (left.valid_rows <= acc.rows) acc.valid_rows = left.valid_rows;
    if (right.valid_cols <= acc.cols) acc.valid_cols = right.valid_cols;
    tg_issue_any(op, &acc, &left, &right, bias, tmp, 0, 0, 0, 0, file, line);
}

template <typename S, typename C> constexpr bool is_bias_of()
{
    static_assert(is_tile_data_v<S>, "a bias is a tile");
    static_assert(S::Loc == TileType::Bias, "a bias is a Bias tile; TMOV fills it from a Mat tile of one row");
    static_assert(std::is_same_v<typename S::DType, typename C::DType>, "a bias has the element type of the product");
    static_assert(may_equal(S::ValidCol, C::ValidCol), "a bias has a number for each column of the product");
    return true;
}

// ---- modes

// Unit flags let a device store the parts of a product that are ready.
template <bool None> constexpr bool has_no_unit_flags()
{
    static_assert(None,
                  "unit flags are not offered: leave AccPhase and STPhase out, and order the product and the store "
                  "by set_flag(PIPE_M, PIPE_FIX, event) and wait_flag");
    return true;
}

constexpr uint32_t store_mode(AtomicType atomic, ReluPreMode relu)
{
    const uint32_t add = atomic == AtomicType::AtomicAdd ? uint32_t{TG_STORE_ADD} : 0u;
    return add | (relu == ReluPreMode::NormalRelu ? uint32_t{TG_STORE_RELU} : 0u);
}

constexpr tg_saturation saturation_of(SaturationMode mode)
{
    return mode == SaturationMode::ON ? TG_SATURATION_ON : TG_SATURATION_OFF;
}

constexpr uint32_t convert_mode(RoundMode mode, tg_saturation saturation)
{
    return static_cast<uint32_t>(mode) | static_cast<uint32_t>(saturation) << 3;
}
static_assert(static_cast<int>(RoundMode::CAST_ODD) == TG_CAST_ODD && static_cast<int>(CmpMode::GE) == TG_CMP_GE &&
                  static_cast<int>(MaskPattern::P1111) == TG_MASK_P1111,
              "enumerators are tile.h's numbers");

inline void merge(const tg_tile *dst, MrgSortExecutedNumList &counts, const tg_tile *tmp, const tg_tile *const lists[4],
                  bool exhausted, const char *file, int line)
{
    tg_merge_counts taken = {};
    tg_issue_merge(dst, &taken, tmp, lists, exhausted ? 1 : 0, file, line);
    counts = {taken.n[0], taken.n[1], taken.n[2], taken.n[3]};
}

// ---- conversions, masks, indices

constexpr bool converts(int from, int to)
{
    switch (from * TG_DTYPES + to) {
#define TG_PTO_PAIR(from, to) case TG_##from *TG_DTYPES + TG_##to:
        TG_CONVERSIONS(TG_PTO_PAIR)
#undef TG_PTO_PAIR
        return true;
    default: return false;
    }
}

template <typename D, typename S> constexpr bool converted()
{
    static_assert(converts(dtype_of<typename S::DType>::value, dtype_of<typename D::DType>::value),
                  "TCVT does not convert between these two types on A2/A3: go through float, or through half for "
                  "integers of 8 bits");
    return vectors<ANY, D, S>() && row_major<D, S>() && same_valid<D, S>();
}

// A bit for each element, eight to a byte.
template <typename M> constexpr bool is_mask()
{
    static_assert(is_tile_data_v<M>, "a mask is a tile");
    static_assert(std::is_same_v<typename M::DType, uint8_t>, "a mask is a tile of uint8_t, a bit for each element");
    return vectors<ANY, M>();
}

template <typename I, typename D> constexpr bool is_index_of()
{
    static_assert(is_tile_data_v<I>, "an index is a tile");
    static_assert(std::is_integral_v<typename I::DType>, "an index is a tile of integers");
    return vectors<ANY, I>() && same_valid<I, D>();
}

// Lists of pairs of one type.
template <typename D, typename... S> constexpr bool sorted()
{
    return vectors<FLOATS, D, S...>() && row_major<D, S...>() && (same_type<D, S>() && ...);
}

// The window of a Mat tile that goes to Left or Right, or of a Vec tile that goes to another.
template <typename D, typename S> constexpr bool extractable()
{
    static_assert(is_tile_data_v<D> && is_tile_data_v<S>, "TEXTRACT(tile, tile, row, column)");
    static_assert((D::Loc == TileType::Vec && S::Loc == TileType::Vec) ||
                      ((D::Loc == TileType::Left || D::Loc == TileType::Right) && S::Loc == TileType::Mat) ||
                      (D::Loc == TileType::Mat && S::Loc == TileType::Acc),
                  "TEXTRACT goes from Mat to Left or Right, from Acc to Mat, or from Vec to Vec");
    static_assert(D::Rows <= S::Rows && D::Cols <= S::Cols, "the window of a TEXTRACT is no larger than its source");
    return moved_type<D, S>();
}

} // namespace detail
} // namespace pto

#endif
