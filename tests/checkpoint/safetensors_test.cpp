#include "checkpoint/safetensors.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <iostream>

#include "support/expect_error.hpp"
#include "support/mutations.hpp"
#include "support/scratch_folder.hpp"

namespace longspan {
namespace {

using ::testing::ElementsAre;
using testing::ScratchFolder;

std::vector<std::byte> bytes(std::size_t count) {
  std::vector<std::byte> values(count);
  for (std::size_t i = 0; i < count; ++i) values[i] = static_cast<std::byte>(7 * i + 1);
  return values;
}

std::string write_sample(const ScratchFolder& folder) {
  const std::string path = folder.path("a.safetensors");
  SafetensorsWriter writer(
      path, {{"h.0.weight", {2, 3}, Dtype::float32}, {"empty", {0, 4}, Dtype::float64}, {"bias", {5}, Dtype::bfloat16}},
      {{"format", "pt"}});
  writer.append(bytes(24));
  writer.append({});
  writer.append(bytes(10));
  writer.finish();
  return path;
}

TEST(Safetensors, WhatIsWrittenIsRead) {
  const ScratchFolder folder;
  const SafetensorsReader reader(write_sample(folder));
  ASSERT_EQ(reader.tensors().size(), 3u);
  EXPECT_THAT(reader.tensors().at("h.0.weight").dims, ElementsAre(2, 3));
  EXPECT_EQ(reader.tensors().at("bias").dtype, "BF16");
  EXPECT_EQ(reader.read("h.0.weight").bytes, bytes(24));
  EXPECT_EQ(reader.read("bias").bytes, bytes(10));
  EXPECT_EQ(reader.read("bias").dtype, Dtype::bfloat16);
  EXPECT_TRUE(reader.read("empty").bytes.empty());
}

TEST(Safetensors, HalfPrecisionIsReadAsFloat32) {
  const ScratchFolder folder;
  const std::vector<std::pair<std::uint16_t, float>> known = {{0x3c00, 1.0f},     {0xc000, -2.0f}, {0x7bff, 65504.0f},
                                                              {0x0001, 0x1p-24f}, {0x8000, -0.0f}, {0x7c00, INFINITY}};
  std::string content = R"({"x":{"dtype":"F16","shape":[6],"data_offsets":[0,12]}})";
  const std::uint64_t length = content.size();
  content.insert(0, reinterpret_cast<const char*>(&length), 8);
  for (const auto& [bits, value] : known) content.append(reinterpret_cast<const char*>(&bits), 2);
  const auto values = SafetensorsReader(folder.write("half", content)).read("x");
  ASSERT_EQ(values.bytes.size(), 24u);
  for (std::size_t i = 0; i < known.size(); ++i) {
    EXPECT_EQ(std::memcmp(values.bytes.data() + 4 * i, &known[i].second, 4), 0) << known[i].second;
  }
}

TEST(Safetensors, AnUnfinishedFileGoesAway) {
  const ScratchFolder folder;
  {
    SafetensorsWriter writer(folder.path("b"), {{"x", {1}, Dtype::float32}}, {});
  }
  EXPECT_TRUE(std::filesystem::is_empty(folder.path()));
  EXPECT_THAT(testing::sentence_of<EnvironmentError>([&] { SafetensorsWriter(folder.path("none/b"), {}, {}); }),
              ::testing::HasSubstr("none/b"));
}

// Whatever a file holds: it is read within its bounds, or there is a sentence.
TEST(Safetensors, DamagedFilesAreReadOrRefused) {
  const ScratchFolder folder;
  write_sample(folder);
  const std::string whole = folder.read("a.safetensors");
  testing::Mutations mutations(3);
  int read = 0;
  const int count = testing::mutation_count(4000);
  for (int i = 0; i < count; ++i) {
    const std::string path = folder.write("b", mutations.of(whole));
    try {
      const SafetensorsReader reader(path);
      for (const auto& [name, tensor] : reader.tensors()) reader.read(name);
      ++read;
    } catch (const UserError& error) {
      EXPECT_THAT(error.what(), ::testing::HasSubstr(path));
    }
  }
  std::cout << read << " of " << count << " were read\n";
  EXPECT_GT(read, 0);
  EXPECT_LT(read, count);
}

}  // namespace
}  // namespace longspan
