// pto/common/tile_header.hpp - tilegraph/tile.h without the macros whose names are functions here.
#ifndef TILEGRAPH_PTO_COMMON_TILE_HEADER_HPP
#define TILEGRAPH_PTO_COMMON_TILE_HEADER_HPP

#define TG_TILE_WITHOUT_MACROS
#include <tilegraph/tile.h>
#if defined(TADD)
#error "a C++ kernel includes pto/pto-inst.hpp and not tilegraph/tile.h: both have instructions of the same names"
#endif

#endif
