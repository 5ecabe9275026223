// What a command in a sandbox of bubblewrap tries in vain: each way out that is known, with another sandbox beside it.
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type Server } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createLogger } from '../../src/lib/log.ts'
import { bubblewrapProvider } from '../../src/sandbox/isolation/bubblewrap/bubblewrap.ts'
import type { Sandbox, SandboxProvider } from '../../src/sandbox/isolation/sandbox.ts'
import { livingWith, newId, runIn, smallLimits, uidsOf, uniqueSeconds } from './ground.ts'

const secret = 'of-another-run-unmistakable-6604'
const isRoot = process.getuid?.() === 0

let parent: string
let provider: SandboxProvider
let other: Sandbox
let sandbox: Sandbox
let stopOther: () => Promise<unknown>
let database: Server
let databaseSocket: Server
const otherSeconds = uniqueSeconds()

beforeAll(async () => {
  parent = mkdtempSync(join(tmpdir(), 'escapes-'))
  writeFileSync(join(parent, 'admin-token'), secret)
  provider = bubblewrapProvider({
    parent: join(parent, 'sandboxes'),
    firstUid: 64_000,
    log: createLogger({ level: 'error' }),
  })
  database = createServer((socket) => socket.end(secret)).listen(0, '127.0.0.1')
  databaseSocket = createServer((socket) => socket.end(secret)).listen(join(parent, '.s.PGSQL.5432'))
  const agentFolder = mkdtempSync(join(parent, 'agent-'))
  const limits = { ...smallLimits, memoryBytes: 512 * 1024 ** 2 }
  other = await provider.create({ id: newId(), limits, agentFolder })
  await other.put('/app/secret', secret)
  sandbox = await provider.create({ id: newId(), limits, agentFolder })
  const ending = new AbortController()
  const up = new Promise<void>((resolve) => {
    const script = `echo ${secret} > /tmp/secret; echo ${secret} > results/secret; echo up; exec sleep ${otherSeconds}`
    const done = runIn(other, script, { env: { SECRET: secret }, signal: ending.signal, onOutput: () => resolve() })
    stopOther = () => {
      ending.abort()
      return done
    }
  })
  await up
})
afterAll(async () => {
  await stopOther?.()
  await Promise.all([sandbox?.destroy(), other?.destroy()])
  database?.close()
  databaseSocket?.close()
  expect(readdirSync(join(parent, 'sandboxes'))).toEqual([])
  rmSync(parent, { recursive: true })
})

const sh = (script: string, how: Parameters<typeof runIn>[2] = {}) => runIn(sandbox, script, how)
/** What a Python program prints as JSON. */
const python = async (program: string) => {
  const ran = await sh('exec python3 -', { stdin: program })
  expect(ran.stderr).toBe('')
  return JSON.parse(ran.stdout)
}

describe('files', () => {
  it('shows nothing of this machine but what programs need', async () => {
    const { stdout } = await sh('ls -A / /app /home /home/agent /tmp /run /opt /root /var /var/tmp /etc 2>&1')
    expect(stdout).not.toContain('shadow')
    const top = (await sh('ls -A /')).stdout.trim().split('\n')
    const expected = 'app bin dev etc home lib lib32 lib64 libx32 opt proc run sbin tmp usr var'.split(' ')
    expect(top.filter((name) => !expected.includes(name))).toEqual([])
    expect((await sh('ls -A /tmp /home; cat /etc/passwd | wc -l')).stdout).toBe('/home:\nagent\n\n/tmp:\n2\n')
  })

  it('of this machine, of the data folder and of the other run cannot be opened', async () => {
    const paths = [
      ...[
        '/etc/shadow',
        '/etc/hostname',
        '/etc/machine-id',
        '/root/.ssh',
        '/root',
        '/sys',
        '/boot',
        '/home/agent/..//..//root',
      ],
      ...[
        '/dev/mem',
        '/dev/kmem',
        '/dev/sda',
        '/dev/vda',
        '/proc/kcore',
        '/proc/1/root/etc/shadow',
        '/var/lib',
        '/mnt',
      ],
      ...[
        parent,
        join(parent, 'admin-token'),
        join(parent, 'sandboxes'),
        other.folders.app,
        `${other.folders.app}/secret`,
      ],
      ...[process.cwd(), tmpdir() === '/tmp' ? parent : tmpdir(), `/proc/${process.pid}/environ`, '/run/jetty/uids'],
    ]
    const script = paths.map(
      (path) => `cat '${path}' 2>/dev/null && echo 'read ${path}'; ls '${path}' 2>/dev/null && echo 'listed ${path}'`,
    )
    expect((await sh(`${script.join('\n')}\nexit 0`)).stdout).toBe('')
    const looking = await sh(`grep -rs ${secret} /app /tmp /home /run /opt /var /etc /dev/shm; ls -A /app/results`)
    expect(looking.stdout).toBe('')
  })

  it('that are not its own cannot be written', async () => {
    const places = [
      '/',
      '/usr',
      '/usr/bin',
      '/etc',
      '/opt',
      '/opt/jetty',
      '/opt/agent',
      '/run',
      '/var',
      '/bin',
      '/lib',
      '/home',
      '/dev',
      '/proc',
      '/proc/sys/kernel',
    ]
    const script = places.map((place) => `touch ${place}/written 2>/dev/null && echo 'wrote to ${place}'`)
    script.push(
      ...[
        '/etc/passwd',
        '/etc/hosts',
        '/opt/jetty/node',
        '/opt/jetty/bridge.mjs',
        '/opt/jetty/bridge.pl',
        '/usr/bin/env',
        '/proc/sys/kernel/core_pattern',
        '/proc/sysrq-trigger',
        '/proc/sys/vm/overcommit_memory',
        '/proc/self/oom_score_adj_',
      ].map(
        (path) =>
          `( echo x >> ${path} ) 2>/dev/null && echo 'wrote ${path}'; chmod 777 ${path} 2>/dev/null && echo 'chmod ${path}'; mv ${path} /tmp/x 2>/dev/null && echo 'moved ${path}'`,
      ),
    )
    expect((await sh(`${script.join('\n')}\nexit 0`)).stdout).toBe('')
  })

  it('with another owner or more rights give it nothing', async () => {
    const ran = await sh(
      [
        'for kind in "b 8 0" "c 1 1"; do mknod dev $kind 2>/dev/null && echo made; done',
        'chown 0 RUNBOOK 2>/dev/null && echo chown',
        'cp /usr/bin/id id && chmod 6755 id && ./id -u',
        'for p in su mount umount passwd newgrp chsh; do command -v $p >/dev/null && find $(command -v $p) -perm -4000; done | head -n 1 | grep -q . && echo setuid',
        'ln /usr/bin/env hard 2>/dev/null && echo linked',
        'su -c true </dev/null 2>/dev/null && echo su',
        'mount -t tmpfs x /tmp 2>/dev/null && echo mounted',
        'exit 0',
      ].join('\n'),
    )
    expect(ran.stdout.split('\n').filter((line) => line !== 'setuid')).toEqual(['1000', ''])
  })
})

it('a variable that would be words for bubblewrap is none', async () => {
  const env = { ONE: `x\0--setenv\0TWO\0y\0--bind\0${parent}\0/tmp`, THREE: 'three', 'FOUR\0x': 'four' }
  const { stdout } = await sh('env; cat /tmp/admin-token 2>&1', { env })
  expect(stdout).toContain('THREE=three')
  expect(stdout).not.toMatch(/^(ONE|TWO|FOUR)|unmistakable/m)
})

describe('processes', () => {
  it('are its own alone, and those of the other run are not seen, signalled or looked into', async () => {
    expect(livingWith(otherSeconds)).not.toEqual([])
    const ran = await sh(
      `ls /proc | grep -c '^[0-9]'; cat /proc/[0-9]*/cmdline /proc/[0-9]*/environ 2>/dev/null | tr '\\0' ' '; kill -9 -1`,
    )
    expect(Number(ran.stdout.split('\n')[0])).toBeLessThan(12)
    expect(ran.stdout).not.toContain(otherSeconds)
    expect(ran.stdout).not.toContain(secret)
    expect(livingWith(otherSeconds)).not.toEqual([])
  })

  it.runIf(isRoot)('run under a user of their own, who is nobody else', async () => {
    const others = uidsOf(livingWith(otherSeconds))
    const seconds = uniqueSeconds()
    const mine: number[] = []
    const own = await sh(`echo up; sleep ${seconds} & sleep 0.2`, {
      onOutput: () => void mine.push(...uidsOf(livingWith(seconds))),
    })
    expect(own.reason).toBe('exit')
    expect(Math.min(...others, ...mine)).toBeGreaterThanOrEqual(64_000)
    expect(mine.filter((uid) => others.includes(uid))).toEqual([])
  })

  it('have no capability, gain none, and are filtered', async () => {
    const { stdout } = await sh('grep -E "^(Cap|NoNewPrivs|Seccomp:)" /proc/self/status')
    expect(
      Object.fromEntries(
        stdout
          .trim()
          .split('\n')
          .map((line) => line.split(/:\s+/)),
      ),
    ).toEqual({
      ...Object.fromEntries(
        ['CapInh', 'CapPrm', 'CapEff', 'CapBnd', 'CapAmb'].map((name) => [name, '0000000000000000']),
      ),
      ...{ NoNewPrivs: '1', Seccomp: '2' },
    })
  })

  it('have so many files open, and no more: all of them together are looked through for what has no name', async () => {
    const { stdout } = await sh('ulimit -Sn; ulimit -Hn; ulimit -n 1000000 2>/dev/null && echo raised')
    for (const most of stdout.trim().split('\n')) expect(Number(most)).toBeLessThanOrEqual(16_384)
  })

  it('make no namespaces of their own', async () => {
    const ran = await sh(
      'for how in -Ur -U -m -n -p "-Urm --map-root-user"; do unshare $how true 2>/dev/null && echo "unshare $how"; done; exit 0',
    )
    expect(ran.stdout).toBe('')
    expect(
      (await sh('nsenter -t 1 -m true 2>/dev/null && echo entered; cat /proc/sys/user/max_user_namespaces')).stdout,
    ).not.toContain('entered')
  })
})

describe('system calls', () => {
  it('that no agent needs are not permitted', async () => {
    const program = `
import ctypes, errno, json, os, platform
libc = ctypes.CDLL(None, use_errno=True)
x64 = platform.machine() == 'x86_64'
calls = {
  'keyctl': (250, 219, 0, -3, 0), 'add_key': (248, 217, b'user', b'x', b'y', 1, -3), 'request_key': (249, 218, b'user', b'x', 0, 0),
  'bpf': (321, 280, 0, 0, 0), 'io_uring_setup': (425, 425, 8, 0), 'io_uring_enter': (426, 426, 0, 0, 0), 'ptrace': (101, 117, 0, 1, 0, 0),
  'process_vm_readv': (310, 270, 1, 0, 0, 0, 0, 0), 'userfaultfd': (323, 282, 0), 'perf_event_open': (298, 241, 0, 0, -1, -1, 0),
  'mount': (165, 40, b'none', b'/tmp', b'tmpfs', 0, 0), 'umount2': (166, 39, b'/tmp', 2), 'unshare': (272, 97, 0x10000000), 'setns': (308, 268, 0, 0),
  'pivot_root': (155, 41, b'/', b'/'), 'chroot': (161, 51, b'/tmp'), 'open_by_handle_at': (304, 265, -100, 0, 0), 'fsopen': (430, 430, b'tmpfs', 0),
  'open_tree': (428, 428, -100, b'/', 0), 'move_mount': (429, 429, -100, b'/', -100, b'/tmp', 0), 'init_module': (175, 105, 0, 0, 0), 'kexec_load': (246, 104, 0, 0, 0, 0),
  'reboot': (169, 142, 0, 0, 0, 0), 'settimeofday': (164, 170, 0, 0), 'sethostname': (170, 161, b'x', 1), 'syslog': (103, 116, 3, 0, 0), 'fanotify_init': (300, 262, 0, 0),
  'clone(CLONE_NEWUSER)': (56, 220, 0x10000000 | 17, 0, 0, 0, 0), 'pidfd_getfd': (438, 438, 0, 0, 0), 'kcmp': (312, 272, 1, 1, 0, 0, 0),
}
said = {}
for name, (amd, arm, *args) in calls.items():
  done = libc.syscall(ctypes.c_long(amd if x64 else arm), *[ctypes.c_long(a) if isinstance(a, int) else ctypes.c_char_p(a) for a in args])
  said[name] = errno.errorcode[ctypes.get_errno()] if done == -1 else 'done'
  if name.startswith('clone') and done == 0: os._exit(0)
print(json.dumps(said))
`
    const said = await python(program)
    expect(Object.keys(said).length).toBe(30)
    expect(Object.entries(said).filter(([, outcome]) => outcome !== 'EPERM')).toEqual([])
  })

  it('of another architecture end the process', async () => {
    const program = `
import ctypes, mmap, os
code = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
code.write(bytes.fromhex('b814000000cd80c3'))  # mov eax, 20 (getpid of i386); int 0x80; ret
call = ctypes.CFUNCTYPE(ctypes.c_long)(ctypes.addressof(ctypes.c_char.from_buffer(code)))
print('begun', flush=True)
print('done', call())
`
    if (process.arch !== 'x64') return
    const ran = await sh('exec python3 -', { stdin: program })
    expect(ran).toMatchObject({ stdout: 'begun\n', reason: 'exit', code: 159, signal: 'SIGSYS' })
  })
})

describe('the network', () => {
  it('has no way to the database, to this machine, to cloud metadata or to anywhere, without its gateway', async () => {
    const { port } = database.address() as { port: number }
    const program = `
import errno, json, socket
said = {}
def attempt(name, family, address, kind=socket.SOCK_STREAM):
  try:
    with socket.socket(family, kind) as one:
      one.settimeout(2)
      one.connect(address)
      if kind == socket.SOCK_DGRAM: one.send(b'x')
      said[name] = 'connected'
  except OSError as error:
    said[name] = errno.errorcode.get(error.errno, str(error))
for host in ['127.0.0.1', '169.254.169.254', '10.0.0.1', '192.168.0.1', '93.184.216.34', '0.0.0.0']:
  attempt(host, socket.AF_INET, (host, ${port}))
  attempt('udp ' + host, socket.AF_INET, (host, 53), socket.SOCK_DGRAM) if host not in ('127.0.0.1', '0.0.0.0') else None
for host in ['::1', '::ffff:127.0.0.1', '::ffff:169.254.169.254', 'fd00:ec2::254']:
  attempt(host, socket.AF_INET6, (host, ${port}))
attempt('its socket', socket.AF_UNIX, '${join(parent, '.s.PGSQL.5432')}')
attempt('the gateway of the other run', socket.AF_UNIX, '${join(other.folders.gateway, 'gateway.sock')}')
attempt('an abstract one', socket.AF_UNIX, '\\0dbus-x')
for name, family, kind in [('packets', 17, socket.SOCK_RAW), ('vsock', 40, socket.SOCK_STREAM), ('raw', socket.AF_INET, socket.SOCK_RAW), ('alg', 38, socket.SOCK_SEQPACKET)]:
  attempt(name, family, ('127.0.0.1', 1), kind)
try: socket.getaddrinfo('example.com', 80); said['names'] = 'found'
except OSError: said['names'] = 'none'
print(json.dumps(said))
`
    const said = await python(program)
    expect(Object.keys(said).length).toBe(22)
    const reached = Object.entries(said).filter(([, outcome]) => outcome === 'connected' || outcome === 'found')
    expect(reached).toEqual([])
  })

  it('is none for a command that may not have one, whatever stands in its folders', async () => {
    expect((await sh('ls /run/jetty')).code).not.toBe(0)
    expect((await sh('ls -A /sys/class/net 2>/dev/null; cat /proc/net/dev | grep -c :')).stdout).toBe('1\n')
  })
})
