// A process with few descriptors that makes sandboxes with ever fewer of them left: scarce.ts KIND PARENT [SOCKET]. Prints
// what came of each as JSON.
import { closeSync, existsSync, openSync, readdirSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { AppError } from '../../src/lib/errors.ts'
import { createLogger } from '../../src/lib/log.ts'
import { bubblewrapProvider } from '../../src/sandbox/isolation/bubblewrap/bubblewrap.ts'
import { machineFolder } from '../../src/sandbox/isolation/bubblewrap/host.ts'
import { containerProvider } from '../../src/sandbox/isolation/containers/containers.ts'
import { processProvider } from '../../src/sandbox/isolation/process.ts'
import type { SandboxProvider } from '../../src/sandbox/isolation/sandbox.ts'
import { newId, runIn, smallLimits } from './ground.ts'

const [kind, parent = '', socket] = process.argv.slice(2)
const log = createLogger({ level: 'silent' })
const common = { parent, firstUid: 64_000, log }
const provider: SandboxProvider = {
  process: () => processProvider({ parent, log }),
  bubblewrap: () => bubblewrapProvider(common),
  docker: () => containerProvider({ ...common, name: 'docker', socket, defaultImage: 'ghcr.io/acme/tools:1' }),
}[kind as 'process']()

const descriptors = () => readdirSync('/proc/self/fd').length
const names = (folder: string) => (existsSync(folder) ? readdirSync(folder) : [])
const claims = () => names(`${machineFolder}/uids`).filter((name) => name.includes(`.${process.pid}-`)).length
const settled = async (isSo: () => boolean) => {
  for (let tries = 0; tries < 1_000 && !isSo(); tries++) await new Promise((resolve) => setTimeout(resolve, 20))
}

const taken: number[] = []
const takeAll = () => {
  try {
    for (;;) taken.push(openSync('/dev/null', 'r'))
  } catch {
    // that was the last one
  }
}
const give = (count: number) => {
  for (const descriptor of taken.splice(0, count)) closeSync(descriptor)
}

/** What becomes of a command when nothing can be opened before the sandbox is made, or before the command is run. */
const attempt = async (left: number | undefined, isLate: boolean): Promise<string> => {
  const scarce = () => {
    if (left === undefined) return
    takeAll()
    give(left)
  }
  try {
    if (!isLate) scarce()
    const sandbox = await provider.create({ id: newId(), limits: smallLimits })
    try {
      if (isLate) scarce()
      const { reason, stdout } = await runIn(sandbox, 'echo here', { stdin: 'x' })
      return `${reason} ${stdout.trim()}`
    } finally {
      give(taken.length)
      await sandbox.destroy()
    }
  } catch (error) {
    if (!(error instanceof AppError)) return `not told: ${(error as Error).stack}`
    return `${error.code}: ${/ulimit -n/.test(error.hint ?? '') ? 'ulimit -n' : `${error.message} ${error.hint}`}`
  } finally {
    give(taken.length)
  }
}

const living = async (): Promise<object> => {
  const sandbox = await provider.create({ id: newId(), limits: smallLimits })
  const longAgo = new Date('2026-01-01')
  utimesSync(join(parent, sandbox.id), longAgo, longAgo)
  let isUp = false
  const running = runIn(sandbox, 'echo up; read -r line; echo $line; until test -e go; do sleep 0.05; done', {
    stdin: 'well\n',
    onOutput: () => {
      isUp = true
    },
  })
  await settled(() => isUp)
  takeAll()
  const reaped = await provider.reap().catch((error) => String(error.code ?? error))
  await new Promise((resolve) => setTimeout(resolve, 200)) // in which its disk is looked at
  give(taken.length)
  writeFileSync(join(sandbox.folders.app, 'go'), '')
  const { reason, code } = await running
  const isThere = existsSync(join(parent, sandbox.id))
  await sandbox.destroy()
  return { reaped, reason, code, isThere }
}

const main = async (): Promise<void> => {
  const first = await attempt(undefined, false)
  const before = descriptors()
  const said = new Set<string>()
  for (const isLate of kind === 'docker' ? [false] : [false, true]) {
    let wentWell = 0
    for (let left = 0; left < 30 && wentWell < 2; left++) {
      const became = await attempt(left, isLate)
      said.add(became)
      if (became.startsWith('exit')) wentWell++
    }
  }
  const last = await attempt(undefined, false)
  await settled(() => descriptors() <= before)
  const leaked = Math.max(0, descriptors() - before) // a connection that was kept at first may be closed by now
  await provider.reap()
  const left = { leaked, folders: names(parent), claims: claims() }
  console.log(
    JSON.stringify({ first, last, said: [...said].sort(), left, living: kind === 'docker' ? {} : await living() }),
  )
}

void main()
