import { expect, it } from 'vitest'
import { inside } from '../../model/runbooks/sandbox.ts'
import { agents } from '../agents/agents.ts'
import type { SandboxCommand, SandboxExit } from '../isolation/sandbox.ts'
import { runAgent } from './run-agent.ts'

const idleSeconds = 0.6

const run = (work: (command: SandboxCommand) => Promise<void>) =>
  runAgent({
    sandbox: {
      places: inside,
      async run(command) {
        await work(command)
        const reason = command.signal.aborted ? 'cancelled' : 'exit'
        return { reason, code: 0, signal: null, durationMs: 1, peakMemoryBytes: 1, refusedProcesses: 0 } as SandboxExit
      },
    },
    agent: agents.scripted,
    ...{ argv: [], env: {}, stdin: undefined, gateway: { lastTrafficMs: 0 }, wallMs: 60_000, idleSeconds },
    log: { write: async () => {} },
    tell: () => {},
    scrub: (text) => text,
    signal: new AbortController().signal,
  })

it('an agent that says nothing for too long is stalled', async () => {
  const silent = ({ signal }: SandboxCommand) =>
    new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }))
  expect((await run(silent)).isStalled).toBe(true)
})

it('one that could not be heard, since this process stood still, is not', async () => {
  const unheard = async ({ onOutput }: SandboxCommand) => {
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, idleSeconds * 1000 + 500)
    await new Promise((resolve) => setTimeout(resolve, 1)) // served after what was due meanwhile
    await onOutput('stdout', Buffer.from('said meanwhile\n'))
  }
  expect((await run(unheard)).isStalled).toBe(false)
})
