/* defects.h - what kernel_defects_aiv.c and kernel_defects_aic.c can lack, one thing at a time. */
#ifndef TESTS_MODULES_DEFECTS_H
#define TESTS_MODULES_DEFECTS_H

enum defect {
    DEFECT_NONE,
    /* Of a vector core: */
    DEFECT_V_BARRIER,   /* two dependent vector instructions without a barrier */
    DEFECT_V_SCALAR,    /* the scalar unit goes on without waiting for V */
    DEFECT_EVENT_REUSE, /* an event is set again before it is known to have been waited for */
    DEFECT_NO_DRAIN,    /* the kernel returns while its stores are on their way */
    /* Of a cube core: */
    DEFECT_RAW_L1, /* a move reads what is not yet loaded */
    DEFECT_RAW_L0, /* a product reads what is not yet moved */
    DEFECT_WAR_L1, /* a load overwrites what is not yet moved */
    DEFECT_WAR_L0  /* a move overwrites what is not yet multiplied */
};

#define DEFECT_DIM 16u /* matrices are square, fp32 */
#define DEFECT_MATRIX_BYTES (DEFECT_DIM * DEFECT_DIM * 4u)

#endif
