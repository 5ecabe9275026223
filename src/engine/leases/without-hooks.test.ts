import asyncHooks, { AsyncLocalStorage } from 'node:async_hooks'
import { expect, it } from 'vitest'
import { loadWithoutHooks, makeStackStorage } from './without-hooks.ts'

it('a store holds until its callback returns, and a signal for good', async () => {
  const storage = makeStackStorage()
  const seen: unknown[] = []
  await storage.run('outer', async () => {
    seen.push(
      storage.run(undefined, () => storage.getStore()),
      storage.getStore(),
    )
    await undefined
    seen.push(storage.getStore())
  })
  expect(seen).toEqual([undefined, 'outer', undefined])
  expect(() => storage.run('thrown', () => JSON.parse('-'))).toThrow()
  expect(storage.getStore()).toBeUndefined()
  const { signal } = new AbortController()
  storage.run(signal, () => {})
  expect(storage.getStore()).toBe(signal)
  expect(storage.run('inner', () => storage.getStore())).toBe('inner')
})

it('only a module that is loaded this way gets another storage', async () => {
  await loadWithoutHooks(async () => expect(new asyncHooks.AsyncLocalStorage()).not.toBeInstanceOf(AsyncLocalStorage))
  const real = new AsyncLocalStorage<number>()
  expect(real.run(1, () => real.getStore())).toBe(1)
  expect(real).toBeInstanceOf(AsyncLocalStorage)
})
