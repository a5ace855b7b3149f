// The sentence of the Error that `body` throws; empty, and a failure, where it throws none.
#pragma once

#include <gtest/gtest.h>

#include <string>

#include "base/error.hpp"

namespace longspan::testing {

template <class Thrown = UserError, class Body>
std::string sentence_of(Body body) {
  try {
    body();
  } catch (const Thrown& error) {
    return error.what();
  }
  ADD_FAILURE() << "nothing was thrown";
  return "";
}

}  // namespace longspan::testing
