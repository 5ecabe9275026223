import { expect, it } from 'vitest'
import { makeGate } from './leases.ts'

const settled = () => new Promise((resolve) => setImmediate(resolve))

it('lets so many in, and the others in their order as permits come back', async () => {
  const gate = makeGate(2)
  const inside: string[] = []
  const leave = new Map<string, () => void>()
  for (const run of ['a', 'b', 'c', 'd']) {
    void gate.enter(run).then((giveBack) => {
      inside.push(run)
      leave.set(run, giveBack)
    })
  }
  await settled()
  expect(inside).toEqual(['a', 'b'])
  leave.get('b')?.()
  leave.get('b')?.() // a permit is given back once
  await settled()
  expect(inside).toEqual(['a', 'b', 'c'])
  gate.pass('d')
  await settled()
  expect(inside).toEqual(['a', 'b', 'c', 'd'])
  leave.get('d')?.() // it had none
  leave.get('a')?.()
  leave.get('c')?.()
  await gate.enter('e')
  await gate.enter('f')
  expect(gate.waiting).toBe(0)
})

it('lets all of them pass', async () => {
  const gate = makeGate(1)
  await gate.enter('a')
  const others = ['b', 'c'].map((run) => gate.enter(run))
  expect(gate.waiting).toBe(2)
  gate.pass()
  await Promise.all(others)
  expect(gate.waiting).toBe(0)
})
