import { endianness } from 'node:os'

/**
 * Seccomp filter of a sandbox: refuses system calls that no agent or compiler needs and that escapes were built on. A
 * refused call fails with "not permitted". A call of a foreign architecture, which could bypass the filter, kills the
 * process.
 */

/** Number of a system call on x64 and arm64; null where it does not exist. */
type Numbers = readonly [x64: number | null, arm64: number | null]

const refused: Readonly<Record<string, Numbers>> = {
  // Kernel keyrings: no namespace separates them.
  add_key: [248, 217],
  request_key: [249, 218],
  keyctl: [250, 219],
  // Access to other processes.
  ptrace: [101, 117],
  process_vm_readv: [310, 270],
  process_vm_writev: [311, 271],
  kcmp: [312, 272],
  pidfd_getfd: [438, 438],
  perf_event_open: [298, 241],
  // Programs in the kernel, and interfaces with a history of vulnerabilities.
  bpf: [321, 280],
  userfaultfd: [323, 282],
  io_uring_setup: [425, 425],
  io_uring_enter: [426, 426],
  io_uring_register: [427, 427],
  fanotify_init: [300, 262],
  lookup_dcookie: [212, 18],
  nfsservctl: [180, 42],
  uselib: [134, null],
  modify_ldt: [154, null],
  // Mounts and namespaces.
  mount: [165, 40],
  umount2: [166, 39],
  pivot_root: [155, 41],
  chroot: [161, 51],
  setns: [308, 268],
  unshare: [272, 97],
  open_tree: [428, 428],
  move_mount: [429, 429],
  fsopen: [430, 430],
  fsconfig: [431, 431],
  fsmount: [432, 432],
  fspick: [433, 433],
  mount_setattr: [442, 442],
  open_by_handle_at: [304, 265],
  // Control of the machine itself.
  init_module: [175, 105],
  finit_module: [313, 273],
  delete_module: [176, 106],
  kexec_load: [246, 104],
  kexec_file_load: [320, 294],
  reboot: [169, 142],
  swapon: [167, 224],
  swapoff: [168, 225],
  acct: [163, 89],
  quotactl: [179, 60],
  quotactl_fd: [443, 443],
  settimeofday: [164, 170],
  clock_settime: [227, 112],
  clock_adjtime: [305, 266],
  sethostname: [170, 161],
  setdomainname: [171, 162],
  iopl: [172, null],
  ioperm: [173, null],
  syslog: [103, 116],
  vhangup: [153, 58],
  migrate_pages: [256, 238],
  move_pages: [279, 239],
}

const numbersOf = {
  clone: [56, 220],
  clone3: [435, 435],
  socket: [41, 198],
  ioctl: [16, 29],
  personality: [135, 92],
} as const satisfies Record<string, Numbers>

const architectures = { x64: { audit: 0xc000003e, column: 0 }, arm64: { audit: 0xc00000b7, column: 1 } } as const
const firstX32Call = 0x40000000

export const newNamespaces = 0x7e020000 // CLONE_NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET
export const families = [1, 2, 10, 16] // AF_UNIX, AF_INET, AF_INET6, AF_NETLINK
export const terminalInputs = [0x5412, 0x541c] // TIOCSTI and TIOCLINUX inject input into the terminal of the server
const personalities = [0, 0x8, 0x20000, 0x20008, 0x40000, 0xffffffff]

// From linux/bpf_common.h and linux/seccomp.h.
const load = 0x20
const jumpIfEqual = 0x15
const jumpIfAtLeast = 0x35
const jumpIfAnyBit = 0x45
const give = 0x06
const allow = 0x7fff0000
const killProcess = 0x80000000
const fail = (errno: number) => 0x00050000 + errno
const errors = { notPermitted: 1, noSuchCall: 38, noSuchFamily: 97 }
/** Names of the calls that are refused regardless of arguments, on every architecture. */
export const refusedCalls: readonly string[] = Object.keys(refused)
/** ENOSYS for clone3. */
export const clone3Errno = errors.noSuchCall
const at = { number: 0, architecture: 4, argument: (index: number) => 16 + 8 * index }

/** BPF instruction: code, jump if true, jump if false, operand. */
type Instruction = readonly [code: number, ifSo: number, ifNot: number, operand: number]

/** Tests one argument of one call and runs `rest`; other calls skip it. */
const forCall = (number: number, argument: number, rest: readonly Instruction[]): Instruction[] => [
  [jumpIfEqual, 0, rest.length + 1, number],
  [load, 0, 0, at.argument(argument)],
  ...rest,
]

/** Returns `listed` when the argument is one of the values, else `others`. */
const oneOf = (values: readonly number[], listed: number, others: number): Instruction[] => [
  ...values.map((value, index): Instruction => [jumpIfEqual, values.length - index, 0, value]),
  [give, 0, 0, others],
  [give, 0, 0, listed],
]

const instructionsFor = (machine: keyof typeof architectures): Instruction[] => {
  const { audit, column } = architectures[machine]
  const number = (name: keyof typeof numbersOf): number => numbersOf[name][column]
  const notPermitted = fail(errors.notPermitted)
  return [
    [load, 0, 0, at.architecture],
    [jumpIfEqual, 1, 0, audit],
    [give, 0, 0, killProcess],
    [load, 0, 0, at.number],
    ...(machine === 'x64'
      ? ([
          [jumpIfAtLeast, 0, 1, firstX32Call],
          [give, 0, 0, killProcess],
        ] as const)
      : []),
    ...Object.values(refused).flatMap((numbers): Instruction[] => {
      const call = numbers[column]
      return call === null
        ? []
        : [
            [jumpIfEqual, 0, 1, call],
            [give, 0, 0, notPermitted],
          ]
    }),
    // clone3 passes its flags in memory, which a filter cannot read: with ENOSYS callers fall back to `clone`.
    [jumpIfEqual, 0, 1, number('clone3')],
    [give, 0, 0, fail(errors.noSuchCall)],
    ...forCall(number('clone'), 0, [
      [jumpIfAnyBit, 0, 1, newNamespaces],
      [give, 0, 0, notPermitted],
      [give, 0, 0, allow],
    ]),
    ...forCall(number('socket'), 0, oneOf(families, allow, fail(errors.noSuchFamily))),
    ...forCall(number('ioctl'), 1, oneOf(terminalInputs, notPermitted, allow)),
    ...forCall(number('personality'), 0, oneOf(personalities, allow, notPermitted)),
    [give, 0, 0, allow],
  ]
}

/** Builds the program for bubblewrap's `--seccomp`; undefined on an unsupported architecture. */
export const seccompProgram = (machine: string = process.arch): Buffer | undefined => {
  if (!Object.hasOwn(architectures, machine) || endianness() !== 'LE') return undefined
  const instructions = instructionsFor(machine as keyof typeof architectures)
  const program = Buffer.alloc(instructions.length * 8)
  instructions.forEach(([code, ifSo, ifNot, operand], index) => {
    program.writeUInt16LE(code, index * 8)
    program.writeUInt8(ifSo, index * 8 + 2)
    program.writeUInt8(ifNot, index * 8 + 3)
    program.writeUInt32LE(operand, index * 8 + 4)
  })
  return program
}
