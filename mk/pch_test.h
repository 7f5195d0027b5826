// The precompiled header of tests/unit: the same, and Catch2.
#pragma once

#include "mk/pch.h"

#include <catch2/catch.hpp>
