import { QueryClient, QueryObserver } from '@tanstack/react-query'
import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { makeRefresher } from './refresh-soon.ts'

beforeEach(() => {
  vi.useFakeTimers()
})
afterEach(() => {
  vi.useRealTimers()
})

it('reads once for many changes, and once more for a change during a read', async () => {
  const client = new QueryClient()
  const answers: ((answer: number) => void)[] = []
  const observer = new QueryObserver(client, {
    queryKey: ['list', 'acme'],
    queryFn: () => new Promise<number>((resolve) => answers.push(resolve)),
  })
  const leave = observer.subscribe(() => {})
  const soon = makeRefresher(500)
  answers[0]?.(0)
  await vi.advanceTimersByTimeAsync(0)
  for (let change = 0; change < 9; change++) soon(client, ['list'])
  await vi.advanceTimersByTimeAsync(500)
  expect(answers).toHaveLength(2)
  for (let change = 0; change < 9; change++) {
    soon(client, ['list'])
    await vi.advanceTimersByTimeAsync(500)
  }
  expect(answers).toHaveLength(2) // the read goes on
  answers[1]?.(1)
  await vi.advanceTimersByTimeAsync(500)
  expect(answers).toHaveLength(3)
  answers[2]?.(2)
  await vi.advanceTimersByTimeAsync(5_000)
  expect([answers.length, observer.getCurrentResult().data]).toEqual([3, 2])
  leave()
  client.clear()
})
