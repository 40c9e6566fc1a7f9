// A QEMU plugin that counts the instructions a program executes, and prints the number to standard error when it exits.
//
// Debian has no package with the header of QEMU's plugin interface, so this file declares the seven functions that it uses.
// They have not changed since the first version of the interface. VERSION is the version that the installed QEMU requires.
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

// The counted programs are single-threaded.
static uint64_t instructions;

static void executed(unsigned processor, void *count) { instructions += (uintptr_t)count; }

// A translation block executes from its first instruction to its last, since it ends at the first branch. The last instruction
// is counted separately: if an x86-64 instruction crosses the end of a page, QEMU 7.2 moves it to the next block although it is
// listed in this one.
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
