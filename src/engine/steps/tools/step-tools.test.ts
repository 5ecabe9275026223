import { expect, it } from 'vitest'
import { z } from 'zod'
import { activity } from '../../../activities/activity.ts'
import type { ModelTurn, StepCall } from '../../../model/runs/step-call.ts'
import { makeStepTools } from './step-tools.ts'

let executed = 0
const look = activity({
  name: 'look',
  category: 'data',
  description: 'Is for tests.',
  parameters: z.object({}),
  outputs: z.object({ text: z.string() }),
  example: {},
  async run() {
    executed++
    return { text: '42' }
  },
})

/** The tools of an attempt, over records that it shares with other attempts. */
const attemptOf = (rows: StepCall[], signal: AbortSignal) => {
  const tool = { name: 'look', description: '', activity: look, bindings: [], settable: new Set() }
  const side = { files: [], warnings: [] }
  return makeStepTools({
    work: { place: { step: { tools: [tool] } }, side, run: { environment: {} }, engine: { limits: {} } },
    calls: { rows, add: async (row: StepCall) => void rows.push(row) },
    parameters: { tools: [{ config: {} }] },
    signal: () => signal,
    contextOf: () => ({}),
  } as never)
}

const turn = { type: 'model', turn: 1, message: { role: 'assistant', content: 'a' } } as ModelTurn

it('an attempt that was given up calls no tool', async () => {
  const rows: StepCall[] = []
  const { carryOut } = attemptOf(rows, AbortSignal.abort())
  const call = { turn: 1, id: 'a', tool: 'look', arguments: '{}' }
  await expect(carryOut(call, 0)).rejects.toThrow("The call of 'look' was given up")
  expect([executed, rows]).toEqual([0, []])
})

it('of two answers of a turn, one of an attempt that was given up, the first one is recorded', async () => {
  const rows: StepCall[] = []
  const given = new AbortController()
  await attemptOf(rows, AbortSignal.abort()).recordTurn(turn)
  await attemptOf(rows, given.signal).recordTurn({ ...turn, message: { role: 'assistant', content: 'b' } })
  expect(rows).toEqual([turn])
})
