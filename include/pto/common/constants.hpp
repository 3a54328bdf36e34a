// pto/common/constants.hpp - the enumerations and sizes of the tile interface.
#ifndef TILEGRAPH_PTO_COMMON_CONSTANTS_HPP
#define TILEGRAPH_PTO_COMMON_CONSTANTS_HPP

#include <cstdint>

namespace pto
{

// A static size of a shape, stride or valid part that is given at run time.
inline constexpr int DYNAMIC = -1;

// Bytes, unless the name says otherwise.
inline constexpr int REPEAT_BYTE = 256;
inline constexpr int REPEAT_MAX = 255;
inline constexpr int BLOCK_BYTE_SIZE = 32;
inline constexpr int BLOCK_LEN = 16; // elements
inline constexpr int CUBE_BLOCK_SIZE = 512;
inline constexpr int C0_SIZE_BYTE = 32;
inline constexpr int FRACTAL_NZ_ROW = 16; // rows
inline constexpr int ACC_C0_SIZE = 16;    // elements
inline constexpr int MASK_LEN = 64;       // bits
inline constexpr int TMP_UB_SIZE = 8 * 1024;
inline constexpr int TMP_UB_OFFSET = 184 * 1024;

// The buffer that a tile lives in: UB, L1, L0A, L0B, L0C, the bias table, the fixpipe table.
enum class TileType { Vec, Mat, Left, Right, Acc, Bias, Scaling, ScaleLeft, ScaleRight, Ctrl };

// The order of a tile's fractals, or of its elements if it has no fractals; the order of elements inside a fractal.
enum class BLayout { RowMajor, ColMajor };
enum class SLayout { NoneBox, RowMajor, ColMajor };

// The fill value to the right of and below a tile's valid part. Above 2^32: a number of the program's own
// (PadValueCustom).
enum class PadValue : uint64_t { Null = 0, Zero, Max, Min };

// The place of the fractals of a partly valid tile. Fractals are not visible here: Null and Normal are the same.
enum class CompactMode { Null, Normal, RowPlusOne, RowAlignedPadding };

// Layouts of device memory.
enum class Layout {
    ND,
    DN,
    NZ,
    SCALE,
    MX_A_ZZ,
    MX_A_ND,
    MX_A_DN,
    MX_B_NN,
    MX_B_ND,
    MX_B_DN,
    NC1HWC0,
    NCHW,
    NHWC,
    FRACTAL_Z,
    FRACTAL_Z_S16S8,
    FRACTAL_Z_3D,
    MAX
};

enum class RoundMode { CAST_NONE, CAST_RINT, CAST_ROUND, CAST_FLOOR, CAST_CEIL, CAST_TRUNC, CAST_ODD };
enum class SaturationMode { ON, OFF };
enum class CmpMode { EQ, NE, LT, LE, GT, GE };
enum class AtomicType { AtomicNone, AtomicAdd };
enum class ReluPreMode { NoRelu, NormalRelu };
enum class AccToVecMode { SingleModeVec0, SingleModeVec1, DualModeSplitM, DualModeSplitN };
enum class STPhase { Unspecified, Partial, Final };
enum class AccPhase { Unspecified, Partial, Final };
enum class TFillPadMode { Normal, InPlace, Expand };
enum class GatherAxis { Element, Row, Col };

// The precision of divisions and functions. A2 and A3 have one.
enum class DivAlgorithm { DEFAULT, HIGH_PRECISION };
using ExpAlgorithm = DivAlgorithm;
using LogAlgorithm = DivAlgorithm;
using SqrtAlgorithm = DivAlgorithm;
using RsqrtAlgorithm = DivAlgorithm;
using RecipAlgorithm = DivAlgorithm;

// The elements of a row that TGATHER takes. The pattern is read from the right: P0101 takes elements 0, 2, 4 and so on.
enum class MaskPattern { P0101 = 1, P1010, P0001, P0010, P0100, P1000, P1111 };

enum TileSplitAxis { TILE_NO_SPLIT, TILE_UP_DOWN, TILE_LEFT_RIGHT, TILE_UP_DOWN_ODD, TILE_LEFT_RIGHT_ODD };
enum Direction { DIR_C2V = 1, DIR_V2C, DIR_BOTH, DIR_V2C_CTRL };

// The pairs that TMRGSORT took from each list.
struct MrgSortExecutedNumList {
    uint16_t mrgSortList0, mrgSortList1, mrgSortList2, mrgSortList3;
};

} // namespace pto

#endif
