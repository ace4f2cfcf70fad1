// Names of one ISA level's own, for what its files share: the linker must never merge two levels' code.
#pragma once

#ifndef BNN_LEVEL_SYMBOL
#error "compile through sources.py, which defines the ISA level"
#endif

#define BNN_PASTE_(a, b) a##_##b
#define BNN_PASTE(a, b) BNN_PASTE_(a, b)
#define BNN_PART(name) BNN_PASTE(BNN_LEVEL_SYMBOL, name)

// What a level takes from another one, which BNN_OTHERS names.
#define BNN_OTHER(name) BNN_PASTE(BNN_OTHERS, name)
