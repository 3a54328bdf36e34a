// pto/common/fifo.hpp - names of the tile interface that are not offered: each fails to compile, with a sentence that
// says what to do instead.
#ifndef TILEGRAPH_PTO_COMMON_FIFO_HPP
#define TILEGRAPH_PTO_COMMON_FIFO_HPP

#include <pto/common/constants.hpp>
#include <pto/common/order.hpp>
#include <pto/common/pto_tile.hpp>

namespace pto
{

// With template arguments that are given, and without.
#define TG_PTO_NOT_OFFERED(name, instead)                                                                              \
    template <typename... X> RecordEvent name(X &&...)                                                                 \
    {                                                                                                                  \
        static_assert(detail::never<X...>, #name " is not offered: " instead);                                         \
        return {};                                                                                                     \
    }                                                                                                                  \
    template <typename A, typename B, auto C, typename... X> RecordEvent name(X &&...)                                 \
    {                                                                                                                  \
        static_assert(detail::never<X...>, #name " is not offered: " instead);                                         \
        return {};                                                                                                     \
    }                                                                                                                  \
    template <typename A, auto B, typename... X> RecordEvent name(X &&...)                                             \
    {                                                                                                                  \
        static_assert(detail::never<X...>, #name " is not offered: " instead);                                         \
        return {};                                                                                                     \
    }

// A ring of slots in device memory between a cube core and its vector cores, which run at once in one task.
template <int FlagID, Direction Way, int SlotSize, int SlotNum, int LocalSlotNum = 2, bool NoSplit = false,
          bool UnitFlag = false>
struct TPipe {
    static_assert(
        detail::never<std::integral_constant<int, FlagID>>,
        "TPipe is not offered: a task runs on one core; let one task store to device memory and another, with an "
        "edge from it, load");
    template <typename... X> TPipe(X &&...) {}
};
TG_PTO_NOT_OFFERED(TPUSH, "a task runs on one core; TSTORE to device memory, and add an edge to the task that loads")
TG_PTO_NOT_OFFERED(TPOP, "a task runs on one core; TLOAD in a task that an edge orders after the one that stores")
TG_PTO_NOT_OFFERED(TFREE, "a task runs on one core; memory that tasks share is the orchestration's")
TG_PTO_NOT_OFFERED(ffts_cross_core_sync, "a task runs on one core; edges of the graph order tasks")
TG_PTO_NOT_OFFERED(wait_flag_dev, "a task runs on one core; edges of the graph order tasks")
TG_PTO_NOT_OFFERED(set_ffts_base_addr, "a task runs on one core; edges of the graph order tasks")
TG_PTO_NOT_OFFERED(SetMadTF32Mode, "products of float are computed in full precision")
TG_PTO_NOT_OFFERED(TSTORE_FP, "TSTORE an Acc of int32_t as it is; TCVT, TCOLEXPANDMUL and TCVT in a vector kernel")
TG_PTO_NOT_OFFERED(TIMG2COL, "lay the columns out in the orchestration, or by TLOAD with strides")
TG_PTO_NOT_OFFERED(TQUANT, "TMULS, TADDS and TCVT")
TG_PTO_NOT_OFFERED(TINSERT, "TSTORE and TLOAD with strides, or TCONCAT")
TG_PTO_NOT_OFFERED(TPARTADD, "TADD over the part that both mean, and TMOV of the rest")
TG_PTO_NOT_OFFERED(TPARTMAX, "TMAX over the part that both mean, and TMOV of the rest")
TG_PTO_NOT_OFFERED(TPARTMIN, "TMIN over the part that both mean, and TMOV of the rest")
TG_PTO_NOT_OFFERED(MGATHER, "TLOAD row by row, the addresses from the orchestration")
TG_PTO_NOT_OFFERED(MSCATTER, "TSTORE row by row, the addresses from the orchestration")

} // namespace pto

#endif
