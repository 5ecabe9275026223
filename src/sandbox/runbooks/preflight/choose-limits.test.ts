import { describe, expect, it } from 'vitest'
import { runbookFrontMatterSchema } from '../../../model/runbooks/runbook.ts'
import { chooseLimits, type Machine, memoryBytes } from './choose-limits.ts'

const giga = 1024 ** 3
const machine: Machine = {
  cpus: 8,
  memoryBytes: 16 * giga,
  mechanisms: { memory: 'cgroup', pids: 'cgroup', cpu: 'cgroup', disk: 'watched' },
  fixed: { pids: 100, diskBytes: giga, diskFiles: 1000, outputBytes: 1000 },
}
type Request = Parameters<typeof chooseLimits>[0]
const chosen = (request: Partial<Request> = {}, fields: object = {}, here: Partial<Machine> = {}) => {
  const asked = { instruction: 'x', ...request } as Request
  const { checks, ...limits } = chooseLimits(asked, runbookFrontMatterSchema.parse(fields), { ...machine, ...here })
  const seen = (wanted: string) => checks.filter(({ state }) => state === wanted).map(({ found }) => found)
  return { ...limits, warnings: seen('warning'), failures: seen('failed') }
}

describe('what a sandbox may use', () => {
  it('is what the server gives, where nothing says otherwise', () => {
    expect(chosen()).toMatchObject({
      limits: { cpus: 4, memoryBytes: 8 * giga, pids: 100 },
      timeoutSeconds: 1200,
      network: { mode: 'public' },
      warnings: [],
      failures: [],
    })
  })

  it('is what the request says, then what the runbook says; a preset is no wish', () => {
    const fields = { cpus: 2, memory: '1G', timeout_sec: 60, network_enabled: false }
    expect(chosen({}, fields)).toMatchObject({ limits: { cpus: 2, memoryBytes: giga }, timeoutSeconds: 60 })
    expect(chosen({ cpus: 1, timeout_sec: 30 }, fields)).toMatchObject({ limits: { cpus: 1 }, timeoutSeconds: 30 })
    const presets = { cpus: 4, memory: '8G', timeout_sec: 1200, network_enabled: true }
    expect(chosen(presets, fields)).toMatchObject({
      limits: { cpus: 2, memoryBytes: giga },
      timeoutSeconds: 60,
      network: { mode: 'models' },
    })
  })

  it('is said in numbers', () => {
    const said = (cpus: number) => chooseLimits({ instruction: 'x', cpus } as Request, {}, machine).checks[0]?.found
    expect(said(2)).toBe('2 cpus, 8 GiB, 1200 s')
    expect(said(1)).toBe('1 cpu, 8 GiB, 1200 s')
  })

  it('is lowered to the machine, which is said', () => {
    const { limits, warnings, failures } = chosen({ cpus: 9, memory: '17G' })
    expect(limits).toMatchObject({ cpus: 8, memoryBytes: 16 * giga })
    expect(warnings).toEqual([
      'cpus lowered from 9 to the 8 of this machine',
      'memory lowered from 17G to the 16 GiB of this machine',
    ])
    expect(failures).toEqual([])
  })

  it('is lowered without a word where it is a preset, and with one where the runbook says as much', () => {
    const small = { cpus: 2, memoryBytes: 4 * giga }
    const presets = { cpus: 4, memory: '8G' }
    const lowered = { limits: { cpus: 2, memoryBytes: 4 * giga }, failures: [] }
    expect(chosen({}, {}, small)).toMatchObject({ ...lowered, warnings: [] })
    expect(chosen(presets, {}, small)).toMatchObject({ ...lowered, warnings: [] })
    expect(chosen({}, presets, small)).toMatchObject({
      ...lowered,
      warnings: ['cpus lowered from 4 to the 2 of this machine', 'memory lowered from 8G to the 4 GiB of this machine'],
    })
  })

  it.each([
    ['cpu', { cpus: 2 }, { cpus: 2 }],
    ['memory', { memory: '1G' }, { memory: '1G' }],
  ] as const)(
    '%s that nothing limits is a warning, and refused where somebody has asked for it',
    (limit, request, fields) => {
      const here = { mechanisms: { ...machine.mechanisms, [limit]: undefined } }
      const found = `This server cannot limit ${limit}`
      expect(chosen({}, {}, here)).toMatchObject({ warnings: [found], failures: [] })
      expect(chosen({ cpus: 4, memory: '8G' }, {}, here)).toMatchObject({ warnings: [found], failures: [] })
      expect(chosen(request, {}, here)).toMatchObject({ warnings: [], failures: [found] })
      expect(chosen({}, fields, here)).toMatchObject({ warnings: [], failures: [found] })
    },
  )

  it.each(['pids', 'disk'] as const)('%s, which nobody can ask for, is a warning alone', (limit) => {
    const here = { mechanisms: { ...machine.mechanisms, [limit]: undefined } }
    expect(chosen({ cpus: 1 }, {}, here)).toMatchObject({
      warnings: [`This server cannot limit ${limit}`],
      failures: [],
    })
  })

  it('reaches the hosts that the runbook names, and none where there is no network', () => {
    expect(chosen({}, { allowed_hosts: ['a.example'] }).network).toEqual({ mode: 'hosts', hosts: ['a.example'] })
    expect(chosen({}, { allowed_hosts: [] }).network).toEqual({ mode: 'hosts', hosts: [] })
    expect(chosen({ network_enabled: false }, { allowed_hosts: ['a.example'] }).network).toEqual({ mode: 'models' })
  })
})

it('says how memory is written', () => {
  const { error } = runbookFrontMatterSchema.safeParse({ memory: 'lots' })
  expect(error?.issues[0]?.message).toBe('Expected a size such as 8G or 512M, or a number of bytes')
})

it.each([
  ['8G', 8 * giga],
  ['512M', giga / 2],
  ['512 MiB', giga / 2],
  ['1.5gb', 1.5 * giga],
  ['1024', 1024],
  [1024, 1024],
  ['2k', 2048],
])('%s of memory is %i bytes', (text, bytes) => {
  expect(memoryBytes(text)).toBe(bytes)
})
