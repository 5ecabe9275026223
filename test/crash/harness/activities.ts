import { appendFileSync, existsSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { z } from 'zod'
import { type Activity, type ActivityContext, activity } from '../../../src/activities/activity.ts'
import { AppError } from '../../../src/lib/errors.ts'
import { now } from '../../../src/lib/time.ts'
import { gateFile } from './gate.ts'
import { durationOf, nextValue } from './pure.ts'

/** Where steps leave what they did to the outside world: it survives whatever happens to process and database. */
const folder = process.env.CRASH_FOLDER ?? '.'

/** One line, written at once: `run,seq,attempt,pid,milliseconds`, by the clock that records steps. */
const leave = (file: 'begins' | 'effects', { run, step }: ActivityContext): void => {
  const line = [run.key, step.seq, step.attempt, process.pid, now()].join(',')
  appendFileSync(join(folder, file), `${line}\n`)
}

const parameters = z.object({
  value: z.number().int().describe('What the output is worked out from.'),
  from: z.number().describe('Shortest work, in ms.'),
  to: z.number().describe('Longest work, in ms.'),
})
const outputs = z.object({ value: z.number(), pid: z.number() })
const shape = { category: 'control', description: 'For the crash tests.', parameters, outputs, example: {} } as const

/** Works a while, leaves its effect, and puts out a pure function of its input. Stops when it is told to. */
const effect = activity({
  ...shape,
  name: 'effect',
  async run({ value, from, to }, context) {
    leave('begins', context)
    await delay(durationOf(value, from, to), undefined, { signal: context.signal })
    leave('effects', context)
    return { value: nextValue(value), pid: process.pid }
  },
})

/** Waits until the test opens the gate. */
const gate = async (signal = new AbortController().signal): Promise<void> => {
  while (!existsSync(join(folder, gateFile))) await delay(20, undefined, { signal })
}

/** The same once the gate is open. */
const gated = activity({
  ...shape,
  name: 'gated',
  async run({ value, from, to }, context) {
    leave('begins', context)
    await gate(context.signal)
    await delay(durationOf(value, from, to), undefined, { signal: context.signal })
    leave('effects', context)
    return { value: nextValue(value), pid: process.pid }
  },
})

/** Works for as long as the gate is shut, deaf to its signal. */
const stubborn = activity({
  ...shape,
  name: 'stubborn',
  async run({ value }, context) {
    leave('begins', context)
    await gate()
    leave('effects', context)
    return { value: nextValue(value), pid: process.pid }
  },
})

/** Takes the whole process with it. */
const abort = activity({
  ...shape,
  name: 'abort',
  async run({ value, from, to }, context) {
    leave('begins', context)
    await delay(durationOf(value, from, to))
    process.abort()
  },
})

/** Shows that it got a secret, without showing it. */
const keeper = activity({
  ...shape,
  name: 'keeper',
  outputs: z.object({ length: z.number(), value: z.number(), pid: z.number() }),
  async run({ value, from, to }, context) {
    leave('begins', context)
    await delay(durationOf(value, from, to), undefined, { signal: context.signal })
    leave('effects', context)
    return { value: nextValue(value), length: context.env('CANARY')?.length ?? 0, pid: process.pid }
  },
})

/** Leaves its effect and fails, in a way that may pass. */
const failing = activity({
  ...shape,
  name: 'failing',
  async run({ value, from, to }, context) {
    leave('begins', context)
    await delay(durationOf(value, from, to), undefined, { signal: context.signal })
    leave('effects', context)
    throw new AppError('network_failed', 'it never works')
  },
})

export const crashActivities: Activity[] = [effect, gated, stubborn, abort, keeper, failing]
