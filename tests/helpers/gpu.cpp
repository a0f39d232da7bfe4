// A pretended CUDA GPU for a build of torch without CUDA. Its memory is the computer's and its kernels
// are the CPU's. Operands on two devices are refused, as is what cannot be recorded while a graph is; waiting
// for the GPU is counted; a recorded graph does the same calls on the same memory again, with the numbers that
// came from the CPU as they were. There is one stream, and memory is never short: of those it says nothing.
#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>
#include <ATen/EmptyTensor.h>
#include <ATen/detail/CUDAHooksInterface.h>
#include <ATen/ops/_reshape_alias_native.h>
#include <ATen/ops/as_strided_native.h>
#include <ATen/ops/resize_native.h>
#include <ATen/ops/set_native.h>
#include <ATen/ops/unfold_native.h>
#include <ATen/ops/view_native.h>
#include <c10/core/impl/DeviceGuardImplInterface.h>
#include <torch/library.h>

#include <map>
#include <mutex>
#include <set>
#include <string>
#include <unordered_map>

using namespace c10;
using at::Tensor;
using torch::jit::Stack;

namespace {

const Device gpu(DeviceType::CUDA, 0);
// Bytes that are copied from ordinary memory without a wait: CUDA's 64 KB would be more than any image of a
// test has.
constexpr size_t STAGED = 1 << 10;

int64_t waits = 0, launches = 0;
bool recording = false;

struct Call {
  OperatorHandle op;
  Stack in, out;
};
// Never freed, as torch may be gone by then.
auto& graphs = *new std::vector<std::vector<Call>>;
auto& blocks = *new std::map<void*, size_t>;
auto& pinned = *new std::set<const void*>;
auto& before = *new std::map<void*, std::string>;
auto& lock = *new std::recursive_mutex;  // autograd works in threads of its own

bool is_pinned(const void* at) {
  std::lock_guard<std::recursive_mutex> guard(lock);
  return pinned.count(at);
}

void free_block(void* at) {
  std::lock_guard<std::recursive_mutex> guard(lock);
  blocks.erase(at);
  std::free(at);
}

void free_pinned(void* at) {
  std::lock_guard<std::recursive_mutex> guard(lock);
  pinned.erase(at);
  std::free(at);
}

struct GpuMemory : Allocator {
  DataPtr allocate(size_t size) override {
    if (!size) return {nullptr, gpu};
    void* at = std::malloc(size);
    std::memset(at, 0xff, size);  // NaN: what nobody wrote is seen
    std::lock_guard<std::recursive_mutex> guard(lock);
    blocks[at] = size;
    return {at, at, &free_block, gpu};
  }
  DeleterFnPtr raw_deleter() const override { return &free_block; }
  void copy_data(void* to, const void* from, size_t size) const override { std::memcpy(to, from, size); }
};

struct PinnedMemory : Allocator {
  DataPtr allocate(size_t size) override {
    void* at = std::malloc(size ? size : 1);
    std::lock_guard<std::recursive_mutex> guard(lock);
    pinned.insert(at);
    return {at, at, &free_pinned, Device(kCPU)};
  }
  DeleterFnPtr raw_deleter() const override { return &free_pinned; }
  void copy_data(void* to, const void* from, size_t size) const override { std::memcpy(to, from, size); }
};

auto& gpu_memory = *new GpuMemory;
auto& pinned_memory = *new PinnedMemory;

Tensor empty(IntArrayRef size, std::optional<ScalarType> dtype, std::optional<Layout>,
             std::optional<Device>, std::optional<bool>, std::optional<MemoryFormat> format) {
  return at::detail::empty_generic(size, &gpu_memory, DispatchKeySet(DispatchKey::CUDA),
                                   dtype_or_default(dtype), format);
}

Tensor empty_strided(IntArrayRef size, IntArrayRef stride, std::optional<ScalarType> dtype,
                     std::optional<Layout>, std::optional<Device>, std::optional<bool>) {
  return at::detail::empty_strided_generic(size, stride, &gpu_memory,
                                           DispatchKeySet(DispatchKey::CUDA), dtype_or_default(dtype));
}

bool on_gpu(const Tensor& t) { return t.defined() && t.device().type() == DeviceType::CUDA; }

// The same memory, called the CPU's or the GPU's.
Tensor renamed(const Tensor& t, Device device) {
  return at::for_blob(t.data_ptr(), t.sizes())
      .strides(t.strides())
      .deleter([t](void*) {})
      .options(t.options().device(device))
      .target_device(device)
      .make_tensor();
}

void run(const OperatorHandle& op, Stack* stack) {
  at::AutoDispatchBelowAutograd below;
  op.redispatchBoxed(DispatchKeySet(DispatchKey::CPU), stack);
}

// Apply `change` to every tensor in `value`.
template <class Change>
IValue mapped(const IValue& value, Change change) {
  if (value.isTensor()) return change(value.toTensor());
  if (value.isTensorList()) {
    List<Tensor> list;
    for (const Tensor& t : value.toTensorVector()) list.push_back(change(t));
    return list;
  }
  if (value.isOptionalTensorList()) {
    List<std::optional<Tensor>> list;
    for (const std::optional<Tensor>& t : value.toOptionalTensorVector())
      list.push_back(t ? std::optional<Tensor>(change(*t)) : std::nullopt);
    return list;
  }
  return value.isDevice() ? IValue(Device(kCPU)) : value;
}

// Any operation that has no kernel for CUDA: the CPU's, in the GPU's memory.
void compute(const OperatorHandle& op, Stack* stack) {
  const auto name = op.schema().operator_name().name;
  const auto n = op.schema().arguments().size();
  bool gpu_given = false, cpu_given = false;
  std::unordered_map<const TensorImpl*, Tensor> given;  // by the tensor that stands for it
  Stack in;
  for (const IValue& value : torch::jit::last(*stack, n))
    in.push_back(mapped(value, [&](const Tensor& t) {
      if (!on_gpu(t)) {
        cpu_given |= t.defined() && t.dim() > 0;  // a number may come from the CPU
        return recording && t.defined() ? t.clone() : t;
      }
      gpu_given = true;
      // An output that has no size yet is given one by the operation.
      Tensor alias = t.numel() ? renamed(t, kCPU) : at::empty(t.sizes(), t.options().device(kCPU));
      given[alias.unsafeGetTensorImpl()] = t;
      return alias;
    }));
  const bool indexes = name == "aten::index" || name == "aten::index_put_";  // by places on the CPU too
  TORCH_CHECK(!(gpu_given && cpu_given) || indexes, "operands on two devices: ", name);
  static const std::set<std::string> readers = {"aten::_local_scalar_dense", "aten::nonzero", "aten::equal",
                                                "aten::masked_select", "aten::_unique2"};
  const bool reads = readers.count(name) || (indexes && cpu_given);
  TORCH_CHECK(!(recording && reads), "not while a graph is recorded: ", name);
  waits += reads;
  ++launches;
  torch::jit::drop(*stack, n);
  Stack out = in;
  run(op, &out);
  for (const IValue& value : out)
    stack->push_back(mapped(value, [&](const Tensor& t) {
      if (!t.defined()) return t;
      auto found = given.find(t.unsafeGetTensorImpl());
      if (found == given.end()) return renamed(t, gpu);
      Tensor own = found->second;
      if (own.numel() == 0 && t.numel())
        at::native::set_storage_cpu_(own, renamed(t, gpu).storage(), 0, t.sizes(), t.strides());
      return own;
    }));
  if (recording) graphs.back().push_back({op, in, out});
}

Tensor& copy_(Tensor& self, const Tensor& source, bool non_blocking) {
  if (self.numel() == 0) return self;
  const bool to = on_gpu(self), from = on_gpu(source);
  TORCH_CHECK(!recording || (to && from), "not while a graph is recorded: a copy between devices");
  const bool staged = source.nbytes() <= STAGED || is_pinned(source.storage().data());
  waits += (from && !to) || (to && !from && !(staged && non_blocking));
  ++launches;
  Tensor a = to ? renamed(self, kCPU) : self, b = from ? renamed(source, kCPU) : source;
  a.copy_(b);
  if (recording) {
    static const auto op = Dispatcher::singleton().findSchemaOrThrow("aten::copy_", "");
    graphs.back().push_back({op, {a, b, false}, {a}});
  }
  return self;
}

Tensor copy_from(const Tensor& source, const Tensor& self, bool non_blocking) {
  Tensor to = self;
  return copy_(to, source, non_blocking);
}

Tensor as_strided(const Tensor& self, IntArrayRef size, IntArrayRef stride, std::optional<int64_t> offset) {
  return at::native::as_strided_tensorimpl(self, size, stride, offset);
}

Tensor& set_storage(Tensor& self, Storage storage, int64_t offset, IntArrayRef size, IntArrayRef stride) {
  return at::native::set_storage_cpu_(self, storage, offset, size, stride);
}

Tensor& set_whole(Tensor& self, Storage storage) {
  const int64_t size = storage.nbytes() / self.itemsize();
  return at::native::set_storage_cpu_(self, storage, 0, {size}, {1});
}

struct Guard : impl::NoOpDeviceGuardImpl<DeviceType::CUDA> {
  static Stream only() { return Stream(Stream::DEFAULT, gpu); }
  DeviceIndex deviceCount() const noexcept override { return 1; }
  Device getDevice() const override { return gpu; }
  Device exchangeDevice(Device) const override { return gpu; }
  Stream getStream(Device) const noexcept override { return only(); }
  Stream getDefaultStream(Device) const override { return only(); }
  Stream getNewStream(Device, int) const override { return only(); }
  Stream getStreamFromGlobalPool(Device, bool) const override { return only(); }
  Stream exchangeStream(Stream) const noexcept override { return only(); }
  void record(void**, const Stream&, const DeviceIndex, const EventFlag) const override {}
  void block(void*, const Stream&) const override {}
  bool queryEvent(void*) const override { return true; }
  void destroyEvent(void*, const DeviceIndex) const noexcept override {}
  void synchronizeEvent(void*) const override {}
  bool queryStream(const Stream&) const override { return true; }
  void synchronizeStream(const Stream&) const override {}
};

}  // namespace

namespace at {
struct CUDAHooks : CUDAHooksInterface {
  CUDAHooks(CUDAHooksArgs) {}
  void init() const override {}
  bool isBuilt() const override { return true; }
  bool isAvailable() const override { return true; }
  bool hasCUDA() const override { return true; }
  bool hasPrimaryContext(DeviceIndex) const override { return true; }
  DeviceIndex deviceCount() const override { return 1; }
  int getNumGPUs() const override { return 1; }
  void setCurrentDevice(DeviceIndex) const override {}
  DeviceIndex getCurrentDevice() const override { return 0; }
  DeviceIndex current_device() const override { return 0; }
  DeviceIndex exchangeDevice(DeviceIndex) const override { return 0; }
  DeviceIndex maybeExchangeDevice(DeviceIndex) const override { return 0; }
  const Generator& getDefaultGenerator(DeviceIndex) const override { return detail::getDefaultCPUGenerator(); }
  Generator getNewGenerator(DeviceIndex) const override { return detail::createCPUGenerator(); }
  Allocator* getPinnedMemoryAllocator() const override { return &pinned_memory; }
  bool isPinnedPtr(const void* at) const override { return is_pinned(at); }
};
REGISTER_CUDA_HOOKS(CUDAHooks)
}  // namespace at

TORCH_LIBRARY_IMPL(_, CUDA, m) { m.fallback(torch::CppFunction::makeFromBoxedFunction<&compute>()); }

TORCH_LIBRARY_IMPL(aten, CUDA, m) {
  m.impl("empty.memory_format", empty);
  m.impl("empty_strided", empty_strided);
  m.impl("as_strided", as_strided);
  m.impl("view", at::native::view);
  m.impl("_reshape_alias", at::native::_reshape_alias);
  m.impl("unfold", at::native::unfold);
  m.impl("resize_", at::native::resize_);
  m.impl("set_.source_Storage", set_whole);
  m.impl("set_.source_Storage_storage_offset", set_storage);
  m.impl("copy_", copy_);
  m.impl("_copy_from", copy_from);
  // Which look for kernels of the device inside, or leave the size of an output to them.
  for (auto name : {"convolution", "convolution_backward", "mse_loss"})
    m.impl(name, torch::CppFunction::makeFromBoxedFunction<&compute>());
}

extern "C" {
void gpu_install() {
  SetAllocator(DeviceType::CUDA, &gpu_memory);
  impl::registerDeviceGuard(DeviceType::CUDA, new Guard());
}
bool gpu_wait() {  // false where a GPU would refuse
  waits += !recording;
  return !recording;
}
int64_t gpu_waits() { return waits; }
int64_t gpu_launches() { return launches; }

// What is recorded is not done: the GPU's memory is put back afterwards.
int64_t gpu_record() {
  graphs.emplace_back();
  for (const auto& [at, size] : blocks) before[at] = std::string(static_cast<char*>(at), size);
  recording = true;
  return graphs.size() - 1;
}

void gpu_recorded() {
  recording = false;
  for (const auto& [at, bytes] : before)
    if (blocks.count(at) && blocks[at] == bytes.size()) std::memcpy(at, bytes.data(), bytes.size());
  before.clear();
}

void gpu_replay(int64_t number) {
  at::NoGradGuard no_grad;
  ++launches;
  auto put = [](const Tensor& recorded, const Tensor& made) {
    if (recorded.defined() && recorded.data_ptr() != made.data_ptr()) recorded.copy_(made);
  };
  for (const auto& call : graphs[number]) {
    Stack out = call.in;
    run(call.op, &out);
    for (size_t i = 0; i < out.size(); ++i) {
      if (out[i].isTensor()) put(call.out[i].toTensor(), out[i].toTensor());
      if (!out[i].isTensorList()) continue;
      auto recorded = call.out[i].toTensorVector(), made = out[i].toTensorVector();
      for (size_t k = 0; k < recorded.size(); ++k) put(recorded[k], made[k]);
    }
  }
}
}
