// A plugin for QEMU that counts the instructions a program executes and says the number on standard error at its end.
//
// Declares what it uses of QEMU's plugin interface itself, since Debian has no package with the header. These seven have not
// changed since the interface's first version; VERSION is what the QEMU at hand asks for.
#include <inttypes.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

typedef uint64_t qemu_plugin_id_t;
struct qemu_plugin_tb;
struct qemu_plugin_insn;
typedef void on_translation(qemu_plugin_id_t, struct qemu_plugin_tb *);
typedef void on_execution(unsigned processor, void *data);
typedef void at_exit(qemu_plugin_id_t, void *data);

void qemu_plugin_register_vcpu_tb_trans_cb(qemu_plugin_id_t, on_translation *);
void qemu_plugin_register_vcpu_tb_exec_cb(struct qemu_plugin_tb *, on_execution *, int flags, void *data);
void qemu_plugin_register_atexit_cb(qemu_plugin_id_t, at_exit *, void *data);
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *);
struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *, size_t index);
void qemu_plugin_register_vcpu_insn_exec_cb(struct qemu_plugin_insn *, on_execution *, int flags, void *data);

int qemu_plugin_version = VERSION;

// The programs that are counted have one thread.
static uint64_t instructions;

static void executed(unsigned processor, void *count) { instructions += (uintptr_t)count; }

// A translation block runs from its first instruction to its last: it ends at the first branch. The last one speaks for itself,
// since QEMU 7.2 puts an x86-64 instruction that reaches over the end of a page back into the next block, and counts it here.
static void translated(qemu_plugin_id_t id, struct qemu_plugin_tb *block) {
  size_t last = qemu_plugin_tb_n_insns(block) - 1;
  qemu_plugin_register_vcpu_tb_exec_cb(block, executed, 0, (void *)(uintptr_t)last);
  qemu_plugin_register_vcpu_insn_exec_cb(qemu_plugin_tb_get_insn(block, last), executed, 0, (void *)1);
}

static void ended(qemu_plugin_id_t id, void *data) { fprintf(stderr, "instructions: %" PRIu64 "\n", instructions); }

int qemu_plugin_install(qemu_plugin_id_t id, const void *info, int count, char **arguments) {
  qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
  qemu_plugin_register_atexit_cb(id, ended, NULL);
  return 0;
}
