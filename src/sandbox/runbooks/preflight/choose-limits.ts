import { byteSize } from '../../../lib/settings/byte-size.ts'
import type { RunbookFrontMatter } from '../../../model/runbooks/runbook.ts'
import type { PreflightCheck, RunbookRequest } from '../../../model/runbooks/runbook-request.ts'
import type { SandboxNetwork } from '../../gateway/sandbox-gateway.ts'
import type { LimitMechanisms, SandboxLimits } from '../../isolation/sandbox.ts'
import { failed, listed, ok, warned } from './checks.ts'

/** Default limits of a sandbox, and the longest timeout. */
const defaultLimits = { cpus: 4, memory: '8G', timeoutSeconds: 1200, mostSeconds: 3600 } as const

/** Resources of the host, and the settings for sandboxes. */
export interface Machine {
  cpus: number
  memoryBytes: number
  mechanisms: LimitMechanisms
  fixed: Pick<SandboxLimits, 'pids' | 'diskBytes' | 'diskFiles' | 'outputBytes'>
}

export interface ChosenLimits {
  limits: SandboxLimits
  timeoutSeconds: number
  network: SandboxNetwork
  checks: PreflightCheck[]
}

const powers = { k: 1, m: 2, g: 3, t: 4 } as const

/** Converts `8G`, `512M` or a number to bytes; the schema has checked the form. */
export const memoryBytes = (memory: string | number): number => {
  const [, digits = '0', unit = ''] = /^(\d+(?:\.\d+)?)\s*([kmgt])?/i.exec(String(memory)) ?? []
  const power = powers[unit.toLowerCase() as keyof typeof powers] ?? 0
  return Math.floor(Number(digits) * 1024 ** power)
}

/** Nothing starts with less memory. */
const leastMemoryBytes = 64 * 1024 ** 2

type Asked<Value> = { value: Value /** Somebody wants it to be so, and not just the default. */; isMeant: boolean }

/**
 * Chooses between request and runbook. A request that repeats the default, as every task of the standard form does,
 * expresses no wish: then the runbook counts.
 */
const asked = <Value>(
  request: Value | null | undefined,
  fields: Value | null | undefined,
  preset: Value,
  isPreset: (value: Value) => boolean,
): Asked<Value> => {
  if (request !== null && request !== undefined && !isPreset(request)) return { value: request, isMeant: true }
  return fields === null || fields === undefined
    ? { value: request ?? preset, isMeant: false }
    : { value: fields, isMeant: true }
}

const networkOf = (isEnabled: boolean, hosts: readonly string[] | null | undefined): SandboxNetwork => {
  if (!isEnabled) return { mode: 'models' }
  return hosts ? { mode: 'hosts', hosts } : { mode: 'public' }
}

const inWords = (network: SandboxNetwork): string => {
  if (network.mode === 'models') return 'only the model'
  if (network.mode === 'public') return 'the model, and every public host'
  return network.hosts.length === 0 ? 'only the model' : `the model, and ${listed(network.hosts)}`
}

/**
 * Chooses the limits of a runbook's sandbox. Values above the host's resources are lowered; a warning reports a lowered
 * request, and limits that cannot be enforced.
 */
export const chooseLimits = (request: RunbookRequest, fields: RunbookFrontMatter, machine: Machine): ChosenLimits => {
  const cpus = asked(request.cpus, fields.cpus, defaultLimits.cpus, (value) => value === defaultLimits.cpus)
  const presetBytes = memoryBytes(defaultLimits.memory)
  const memory = asked<string | number>(
    request.memory,
    fields.memory,
    defaultLimits.memory,
    (value) => memoryBytes(value) === presetBytes,
  )
  const time = asked(
    request.timeout_sec,
    fields.timeout_sec,
    defaultLimits.timeoutSeconds,
    (value) => value === defaultLimits.timeoutSeconds,
  )
  const isEnabled = asked(request.network_enabled, fields.network_enabled, true, (value) => value)
  const network = networkOf(isEnabled.value, fields.allowed_hosts)

  const limits: SandboxLimits = {
    ...machine.fixed,
    cpus: Math.min(cpus.value, machine.cpus),
    memoryBytes: Math.min(memoryBytes(memory.value), machine.memoryBytes),
  }
  const timeoutSeconds = Math.min(time.value, defaultLimits.mostSeconds)
  const checks: PreflightCheck[] = []
  if (cpus.isMeant && limits.cpus < cpus.value) {
    const found = `cpus lowered from ${cpus.value} to the ${machine.cpus} of this machine`
    checks.push(warned('limits', found, 'Ask for fewer, or use a larger machine.', 'cpus'))
  }
  if (memory.isMeant && limits.memoryBytes < memoryBytes(memory.value)) {
    const found = `memory lowered from ${memory.value} to the ${byteSize(machine.memoryBytes)} of this machine`
    checks.push(warned('limits', found, 'Ask for less, or use a larger machine.', 'memory'))
  }
  if (limits.memoryBytes < leastMemoryBytes) {
    const found = `memory is ${byteSize(limits.memoryBytes)}, which is too little to start`
    checks.push(failed('limits', found, `Set it to at least ${byteSize(leastMemoryBytes)}.`, 'memory'))
  }
  checks.push(
    ...unkept(machine, 'cpu', 'cpus', cpus.isMeant),
    ...unkept(machine, 'memory', 'memory', memory.isMeant),
    ...unkept(machine, 'pids', null, false),
    ...unkept(machine, 'disk', null, false),
  )
  const found = `${limits.cpus} ${limits.cpus === 1 ? 'cpu' : 'cpus'}, ${byteSize(limits.memoryBytes)}, ${timeoutSeconds} s`
  return {
    limits,
    timeoutSeconds,
    network,
    checks: [ok('limits', found), ...checks, ok('network', inWords(network))],
  }
}

const unkept = (
  { mechanisms }: Machine,
  limit: keyof LimitMechanisms,
  field: string | null,
  isMeant: boolean,
): PreflightCheck[] => {
  if (mechanisms[limit] !== undefined) return []
  const found = `This server cannot limit ${limit}`
  const fix = 'Run the server with control groups: as root, or with those of systemd (`loginctl enable-linger`).'
  return [isMeant ? failed('limits', found, `Omit ${field}. ${fix}`, field) : warned('limits', found, fix, field)]
}
