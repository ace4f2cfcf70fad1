// Names of one ISA level's own, for functions that its files share: the linker must never merge two levels' code.
#pragma once

#define BNN_PASTE_(a, b) a##_##b
#define BNN_PASTE(a, b) BNN_PASTE_(a, b)
