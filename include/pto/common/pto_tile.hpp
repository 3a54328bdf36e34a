// pto/common/pto_tile.hpp - Shape, Stride, GlobalTensor and Tile: the operands of instructions.
//
// Each holds the equivalent structure of tilegraph/tile.h and keeps it up to date; an instruction passes its address.
#ifndef TILEGRAPH_PTO_COMMON_PTO_TILE_HPP
#define TILEGRAPH_PTO_COMMON_PTO_TILE_HPP

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <type_traits>

#include <pto/common/config.hpp>
#include <pto/common/constants.hpp>
#include <pto/common/tile_header.hpp>
#include <pto/common/types.hpp>

namespace pto
{
namespace detail
{

// A message that appears where a template is used, not where it is defined.
template <typename...> inline constexpr bool never = false;

// Five numbers; some are known when the kernel is compiled. `values` holds the dynamic ones; its entries for static
// ones have no meaning.
template <int64_t... N> struct Five {
    static_assert(sizeof...(N) == 5, "a shape or stride has five dimensions");
    static constexpr int64_t known[5] = {N...};
    static constexpr int n_dynamic = (0 + ... + (N == DYNAMIC ? 1 : 0));
    static_assert(((N == DYNAMIC || N >= 0) && ...), "a dimension is a number from 0 on, or DYNAMIC (-1)");

    static constexpr int64_t at(int dim, const int64_t values[5])
    {
        return known[dim] == DYNAMIC ? values[dim] : known[dim];
    }

    // Give the dynamic dimensions `given`, in order.
    template <typename... V> static void fill(int64_t values[5], V... given)
    {
        static_assert(sizeof...(V) == 5 || sizeof...(V) == n_dynamic,
                      "give all five values, or one for each dynamic dimension");
        const int64_t all[] = {static_cast<int64_t>(given)...};
        for (int dim = 0, next = 0; dim < 5; dim++) {
            if constexpr (sizeof...(V) == 5) values[dim] = all[dim];
            else values[dim] = known[dim] == DYNAMIC ? all[next++] : known[dim];
        }
    }
};

} // namespace detail

// A fill value of the program's own, by the bits of a float or by the float.
template <uint32_t Bits> inline constexpr PadValue PadCustom = static_cast<PadValue>(uint64_t{1} << 32 | Bits);
constexpr PadValue PadValueCustom(float value)
{
    return static_cast<PadValue>(uint64_t{1} << 32 | detail::bits_of(value));
}

// The extents of a GlobalTensor, outermost first, in elements. The constructors take no argument (dynamic extents are
// 1), all five extents, or the dynamic ones in order.
template <int64_t N1 = DYNAMIC, int64_t N2 = DYNAMIC, int64_t N3 = DYNAMIC, int64_t N4 = DYNAMIC, int64_t N5 = DYNAMIC>
struct Shape {
    static constexpr int64_t staticShape[5] = {N1, N2, N3, N4, N5};
    int64_t shape[5] = {1, 1, 1, 1, 1};

    Shape() = default;
    template <typename... V,
              typename = std::enable_if_t<(sizeof...(V) > 0 && (std::is_convertible_v<V, int64_t> && ...))>>
    Shape(V... extents)
    {
        detail::Five<N1, N2, N3, N4, N5>::fill(shape, extents...);
    }
};

// Elements between neighbours along each dimension; constructed as a Shape is.
template <int64_t S1 = DYNAMIC, int64_t S2 = DYNAMIC, int64_t S3 = DYNAMIC, int64_t S4 = DYNAMIC, int64_t S5 = DYNAMIC>
struct Stride {
    static constexpr int64_t staticStride[5] = {S1, S2, S3, S4, S5};
    int64_t stride[5] = {1, 1, 1, 1, 1};

    Stride() = default;
    template <typename... V,
              typename = std::enable_if_t<(sizeof...(V) > 0 && (std::is_convertible_v<V, int64_t> && ...))>>
    Stride(V... strides)
    {
        detail::Five<S1, S2, S3, S4, S5>::fill(stride, strides...);
    }
};

// The shape and the stride of rows x cols elements that lie one behind the other.
template <typename T, int64_t rows, int64_t cols, Layout L = Layout::ND>
using TileShape2D = std::conditional_t<L == Layout::NZ,
                                       Shape<1, cols * int64_t{sizeof(T)} / 32, rows / 16, 16, 32 / int64_t{sizeof(T)}>,
                                       Shape<1, 1, 1, rows, cols>>;
template <typename T, int64_t rows, int64_t cols, Layout L = Layout::ND>
using BaseShape2D =
    std::conditional_t<L == Layout::DN, Stride<rows * cols, rows * cols, rows * cols, 1, rows>,
                       std::conditional_t<L == Layout::NZ,
                                          Stride<rows * cols, rows * 32 / int64_t{sizeof(T)},
                                                 16 * 32 / int64_t{sizeof(T)}, 32 / int64_t{sizeof(T)}, 1>,
                                          Stride<rows * cols, rows * cols, rows * cols, cols, 1>>>;

// A view of device memory. Layout::ND: rows are contiguous; DN: columns are; NZ: as a Mat tile, in column blocks of 32
// bytes: [1][column blocks][row blocks][16][32 bytes of columns].
template <typename T, typename ShapeT, typename StrideT, Layout L = Layout::ND> class GlobalTensor
{
  public:
    using Shape = ShapeT;
    using Stride = StrideT;
    using RawDType = T;
    using DType = T;
    static constexpr Layout layout = L;
    static constexpr const int64_t (&staticShape)[5] = ShapeT::staticShape;
    static constexpr const int64_t (&staticStride)[5] = StrideT::staticStride;

    static_assert(detail::has_dtype<T>::value,
                  "tiles hold no elements of this type: use float, half, bfloat16_t, fp8, or integers of 8 to 32 bits");
    static_assert(
        L == Layout::ND || L == Layout::DN || L == Layout::NZ,
        "GlobalTensors are ND (rows are contiguous), DN (columns are) or NZ (blocks of 32 bytes are); the other "
        "layouts are not offered");
    // An extent of 1 has a stride without meaning.
    static_assert(L != Layout::ND || staticStride[4] == DYNAMIC || staticStride[4] == 1 || staticShape[4] == 1,
                  "ND: the stride of the last dimension is 1");
    static_assert(L != Layout::DN || staticStride[3] == DYNAMIC || staticStride[3] == 1 || staticShape[3] == 1,
                  "DN: the stride of dimension 3 is 1");

    GlobalTensor() : GlobalTensor(nullptr) {}
    GlobalTensor(T *address) : GlobalTensor(address, ShapeT(), StrideT()) {}
    GlobalTensor(T *address, const ShapeT &shape) : GlobalTensor(address, shape, StrideT()) {}
    GlobalTensor(T *address, const ShapeT &shape, const StrideT &stride) : address_(address)
    {
        for (int dim = 0; dim < 5; dim++) {
            shape_[dim] = staticShape[dim] == DYNAMIC ? shape.shape[dim] : staticShape[dim];
            stride_[dim] = staticStride[dim] == DYNAMIC ? stride.stride[dim] : staticStride[dim];
        }
    }

    // Dimension 0 to 4; -1 for another number.
    int64_t GetShape(int dim) const { return dim >= 0 && dim < 5 ? shape_[dim] : -1; }
    int64_t GetStride(int dim) const { return dim >= 0 && dim < 5 ? stride_[dim] : -1; }
    template <int dim> static constexpr int64_t GetShape()
    {
        static_assert(staticShape[dim] != DYNAMIC, "this extent is dynamic: use GetShape(dim)");
        return staticShape[dim];
    }
    template <int dim> static constexpr int64_t GetStride()
    {
        static_assert(staticStride[dim] != DYNAMIC, "this stride is dynamic: use GetStride(dim)");
        return staticStride[dim];
    }
    template <int... dims, typename... V> void SetShape(V... extents)
    {
        static_assert(sizeof...(dims) == sizeof...(V) && sizeof...(V) > 0, "one extent for each dimension");
        static_assert(((staticShape[dims] == DYNAMIC) && ...), "only a dynamic extent can be set");
        ((shape_[dims] = static_cast<int64_t>(extents)), ...);
    }
    template <int... dims, typename... V> void SetStride(V... strides)
    {
        static_assert(sizeof...(dims) == sizeof...(V) && sizeof...(V) > 0, "one stride for each dimension");
        static_assert(((staticStride[dims] == DYNAMIC) && ...), "only a dynamic stride can be set");
        ((stride_[dims] = static_cast<int64_t>(strides)), ...);
    }

    T *data() const { return address_; }
    void place(T *address) { address_ = address; }

    // The structure of tile.h. An extent that is too large becomes one that no tile has, so that the instruction
    // reports it.
    tg_global view() const
    {
        constexpr int contiguous = L == Layout::DN ? 3 : 4;
        tg_global view;
        view.addr = reinterpret_cast<uintptr_t>(address_);
        view.dtype = detail::dtype_of<std::remove_const_t<T>>::value;
        view.layout = L == Layout::ND ? TG_ROW_MAJOR : L == Layout::DN ? TG_COL_MAJOR : TG_NZ;
        for (int dim = 0; dim < 5; dim++) {
            view.shape[dim] = shape_[dim] >= 0 && shape_[dim] < UINT32_MAX ? static_cast<uint32_t>(shape_[dim])
                                                                           : UINT32_MAX;
            view.stride[dim] = stride_[dim];
        }
        if (view.shape[contiguous] == 1) view.stride[contiguous] = 1;
        return view;
    }

  private:
    T *address_;
    int64_t shape_[5], stride_[5];
};

namespace detail
{

constexpr tg_tile_kind kind_of(TileType type)
{
    return type == TileType::Mat     ? TG_MAT
           : type == TileType::Left  ? TG_LEFT
           : type == TileType::Right ? TG_RIGHT
           : type == TileType::Acc   ? TG_ACC
           : type == TileType::Bias  ? TG_BIAS
                                     : TG_VEC;
}

// A valid size that is known when the kernel is compiled takes no room in the tile's type and cannot be set.
constexpr uint32_t first_valid(int valid) { return valid == DYNAMIC ? 0u : static_cast<uint32_t>(valid); }

} // namespace detail

/*
 * A rectangle of Rows x Cols elements in a buffer of the core; ValidRow x ValidCol of them have a meaning. The
 * constructor, or a call before the tile is used, sets a valid size of DYNAMIC (-1).
 *
 * Left, Right and Acc tiles have the order of fractals that the cube core needs. The order is not visible. So a Left
 * tile may be declared row-major in row-major (A2, A3) or column-major in row-major (A5).
 */
template <TileType Loc_, typename T, int Rows_, int Cols_, BLayout BFractal_ = BLayout::RowMajor, int ValidRow_ = Rows_,
          int ValidCol_ = Cols_, SLayout SFractal_ = SLayout::NoneBox, int SFractalSize_ = 512,
          PadValue PadVal_ = PadValue::Null, CompactMode Compact_ = CompactMode::Null>
class Tile
{
  public:
    using DType = T;
    using TileDType = T *;
    static constexpr TileType Loc = Loc_;
    static constexpr int Rows = Rows_, Cols = Cols_, ValidRow = ValidRow_, ValidCol = ValidCol_, Numel = Rows_ * Cols_;
    static constexpr BLayout BFractal = BFractal_;
    static constexpr SLayout SFractal = SFractal_;
    static constexpr int SFractalSize = SFractalSize_;
    static constexpr PadValue PadVal = PadVal_;
    static constexpr CompactMode Compact = Compact_;
    static constexpr bool isRowMajor = BFractal_ == BLayout::RowMajor;
    static constexpr bool isBoxedLayout = SFractal_ != SLayout::NoneBox;
    static constexpr bool isInnerRowMajor = SFractal_ == SLayout::RowMajor;
    static constexpr bool isInnerColMajor = SFractal_ == SLayout::ColMajor;
    static constexpr int RowStride = isRowMajor ? Cols : 1, ColStride = isRowMajor ? 1 : Rows;
    static constexpr int unit = 32 / static_cast<int>(sizeof(T)); // elements
    static constexpr int InnerRows = !isBoxedLayout ? 1 : SFractalSize == 1024 || isInnerRowMajor ? 16 : unit;
    static constexpr int InnerCols = !isBoxedLayout ? 1 : SFractalSize == 1024 || isInnerColMajor ? 16 : unit;
    static constexpr int InnerNumel = InnerRows * InnerCols;

    static_assert(detail::has_dtype<T>::value,
                  "tiles hold no elements of this type: use float, half, bfloat16_t, fp8, or integers of 8 to 32 bits");
    static_assert(Loc == TileType::Vec || Loc == TileType::Mat || Loc == TileType::Left || Loc == TileType::Right ||
                      Loc == TileType::Acc || Loc == TileType::Bias,
                  "tiles are Vec, Mat, Left, Right, Acc or Bias; instead of a Scaling tile give TSTORE one scale, or "
                  "multiply the columns of a Vec tile by TCOLEXPANDMUL");
    static_assert(Loc != TileType::Bias || (Rows == 1 && isRowMajor && !isBoxedLayout),
                  "a Bias tile is one row: Tile<TileType::Bias, T, 1, Cols>");
    static_assert(Rows > 0 && Cols > 0, "a tile has at least one row and one column");
    static_assert(ValidRow == DYNAMIC || (ValidRow >= 0 && ValidRow <= Rows), "the valid rows are some of the tile's");
    static_assert(ValidCol == DYNAMIC || (ValidCol >= 0 && ValidCol <= Cols),
                  "the valid columns are some of the tile's");
    static_assert(isBoxedLayout || (isRowMajor ? Cols : Rows) * sizeof(T) % 32 == 0,
                  "rows of a row-major tile and columns of a column-major one take whole 32-byte units: round Cols or "
                  "Rows up and say by ValidCol or ValidRow what is used");
    static_assert(!isBoxedLayout || SFractalSize == 512 || SFractalSize == 1024 || SFractalSize == 32,
                  "a fractal has 512 or 1024 bytes");
    static_assert(
        !isBoxedLayout || (Loc == TileType::Vec && Rows == 1) || (Cols % InnerCols == 0 && Rows % InnerRows == 0),
        "a tile of fractals has whole ones: round Rows and Cols up and say by ValidRow and ValidCol what is used");
    static_assert(Loc != TileType::Left || SFractal == SLayout::RowMajor,
                  "a Left tile has row-major fractals; TileLeft<T, Rows, Cols> is one");
    static_assert(Loc != TileType::Right || (isRowMajor && SFractal == SLayout::ColMajor),
                  "a Right tile is row-major with column-major fractals; TileRight<T, Rows, Cols> is one");
    static_assert(Loc != TileType::Acc || (!isRowMajor && SFractal == SLayout::RowMajor && SFractalSize == 1024),
                  "an Acc tile is column-major with row-major fractals of 1024 bytes; TileAcc<T, Rows, Cols> is one");

    Tile() : Tile(detail::first_valid(ValidRow), detail::first_valid(ValidCol), 0) {}
    template <typename R, typename C, bool both = ValidRow_ == DYNAMIC &&ValidCol_ == DYNAMIC>
    Tile(R rows, C cols) : Tile(static_cast<uint32_t>(rows), static_cast<uint32_t>(cols), 0)
    {
        static_assert(both, "two sizes are given to a tile whose valid rows and columns are both DYNAMIC");
    }
    template <typename N, typename = std::enable_if_t<std::is_convertible_v<N, int64_t>>>
    explicit Tile(N size)
        : Tile(ValidRow == DYNAMIC ? static_cast<uint32_t>(size) : detail::first_valid(ValidRow),
               ValidCol == DYNAMIC ? static_cast<uint32_t>(size) : detail::first_valid(ValidCol), 0)
    {
        static_assert((ValidRow == DYNAMIC) != (ValidCol == DYNAMIC),
                      "one size is given to a tile of which either the valid rows or the valid columns are DYNAMIC");
    }

    // Static sizes are constants, also of the type alone: TileT::GetValidRow().
    template <int R = ValidRow_, std::enable_if_t<R != DYNAMIC, int> = 0> static constexpr int GetValidRow()
    {
        return R;
    }
    template <int R = ValidRow_, std::enable_if_t<R == DYNAMIC, int> = 0> int GetValidRow() const
    {
        return static_cast<int>(tile_.valid_rows);
    }
    template <int C = ValidCol_, std::enable_if_t<C != DYNAMIC, int> = 0> static constexpr int GetValidCol()
    {
        return C;
    }
    template <int C = ValidCol_, std::enable_if_t<C == DYNAMIC, int> = 0> int GetValidCol() const
    {
        return static_cast<int>(tile_.valid_cols);
    }
    template <typename R> void SetValidRow(R rows)
    {
        static_assert(ValidRow == DYNAMIC, "the valid rows of this tile are static");
        tile_.valid_rows = static_cast<uint32_t>(rows);
    }
    template <typename C> void SetValidCol(C cols)
    {
        static_assert(ValidCol == DYNAMIC, "the valid columns of this tile are static");
        tile_.valid_cols = static_cast<uint32_t>(cols);
    }
    template <typename R, typename C> void SetValidShape(R rows, C cols)
    {
        static_assert(ValidRow == DYNAMIC && ValidCol == DYNAMIC, "the valid rows or columns of this tile are static");
        SetValidRow(rows);
        SetValidCol(cols);
    }

    // Products of float read K in steps of 8 or 16 elements on a device. Fractals are not visible here.
    void SetKAligned(bool aligned) { k_aligned_ = aligned; }
    bool GetKAligned() const { return k_aligned_; }

    // One element of a Vec tile, by its number from the tile's start, on the scalar pipe.
    T GetValue(uint64_t at, const char *file = __builtin_FILE(), int line = __builtin_LINE()) const
    {
        static_assert(Loc == TileType::Vec, "GetValue reads Vec tiles");
        return static_cast<T>(tg_get_value(&tile_, at, file, line));
    }
    void SetValue(uint64_t at, T value, const char *file = __builtin_FILE(), int line = __builtin_LINE())
    {
        static_assert(Loc == TileType::Vec, "SetValue writes Vec tiles");
        tg_set_value(&tile_, at, static_cast<double>(value), file, line);
    }

    // Bytes from the start of the buffer.
    void place(uint64_t offset)
    {
        tile_.offset = offset < TG_UNASSIGNED ? static_cast<uint32_t>(offset) : TG_UNASSIGNED - 1;
    }
    const tg_tile &tile() const { return tile_; }

  private:
    static constexpr tg_layout layout()
    {
        const bool is_zn = Loc == TileType::Mat && isBoxedLayout && isRowMajor;
        return is_zn || (Loc == TileType::Vec && !isRowMajor) ? TG_COL_MAJOR : TG_ROW_MAJOR;
    }

    Tile(uint32_t valid_rows, uint32_t valid_cols, int)
        : tile_(tg_tile_make(detail::kind_of(Loc), detail::dtype_of<T>::value, layout(), Rows, Cols, valid_rows,
                             valid_cols))
    {
    }

    tg_tile tile_;
    bool k_aligned_ = false;
};

template <typename T, int Rows, int Cols, int ValidRow = Rows, int ValidCol = Cols>
using TileLeft = Tile<TileType::Left, T, Rows, Cols, BLayout::RowMajor, ValidRow, ValidCol, SLayout::RowMajor, 512>;
template <typename T, int Rows, int Cols, int ValidRow = Rows, int ValidCol = Cols>
using TileRight = Tile<TileType::Right, T, Rows, Cols, BLayout::RowMajor, ValidRow, ValidCol, SLayout::ColMajor, 512>;
template <typename T, int Rows, int Cols, int ValidRow = Rows, int ValidCol = Cols>
using TileAcc = Tile<TileType::Acc, T, Rows, Cols, BLayout::ColMajor, ValidRow, ValidCol, SLayout::RowMajor, 1024>;
template <typename T, int Rows, int Cols, int ValidRow = Rows, int ValidCol = Cols>
using TileLeftCompact = Tile<TileType::Left, T, Rows, Cols, BLayout::RowMajor, ValidRow, ValidCol, SLayout::RowMajor,
                             512, PadValue::Null, CompactMode::Normal>;
template <typename T, int Rows, int Cols, int ValidRow = Rows, int ValidCol = Cols>
using TileRightCompact = Tile<TileType::Right, T, Rows, Cols, BLayout::RowMajor, ValidRow, ValidCol, SLayout::ColMajor,
                              512, PadValue::Null, CompactMode::Normal>;
template <typename T, int Rows, int Cols, int ValidRow = Rows, int ValidCol = Cols>
using TileAccCompact = Tile<TileType::Acc, T, Rows, Cols, BLayout::ColMajor, ValidRow, ValidCol, SLayout::RowMajor,
                            1024, PadValue::Null, CompactMode::Normal>;

template <typename X> struct is_tile_data : std::false_type {
};
template <TileType Loc, typename T, int R, int C, BLayout B, int VR, int VC, SLayout S, int F, PadValue P,
          CompactMode M>
struct is_tile_data<Tile<Loc, T, R, C, B, VR, VC, S, F, P, M>> : std::true_type {
};
template <typename X> inline constexpr bool is_tile_data_v = is_tile_data<std::remove_const_t<X>>::value;

template <typename X> struct is_global_data : std::false_type {
};
template <typename T, typename ShapeT, typename StrideT, Layout L>
struct is_global_data<GlobalTensor<T, ShapeT, StrideT, L>> : std::true_type {
};
template <typename X> inline constexpr bool is_global_data_v = is_global_data<std::remove_const_t<X>>::value;

} // namespace pto

#endif
