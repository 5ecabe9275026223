import { expect, test } from 'vitest'
import { newRunKey, newTrajectoryId, runKeysSince } from './ids.ts'

test('a run key is short, has its time in front, and is drawn once', () => {
  const before = runKeysSince(Date.now() - 1_000)
  const keys = Array.from({ length: 5_000 }, newRunKey)
  for (const key of keys.slice(0, 100)) expect(key).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}[\w-]{10}$/)
  expect(new Set(keys).size).toBe(keys.length)
  expect(keys.every((key) => key > before && key < runKeysSince(Date.now() + 1_000))).toBe(true)
})

test('keys of later times sort after those of earlier ones, and after the UUIDs of older versions', () => {
  const uuid = `${runKeysSince(1_795_000_000_000)}-7abc-8def-0123456789ab`
  expect(runKeysSince(1_794_999_999_999) < uuid).toBe(true)
  expect(uuid < runKeysSince(1_795_000_000_001)).toBe(true)
})

test('a trajectory id has eight hex digits', () => {
  const ids = Array.from({ length: 1_000 }, newTrajectoryId)
  expect(ids.every((id) => /^[0-9a-f]{8}$/.test(id))).toBe(true)
  expect(new Set(ids).size).toBeGreaterThan(990)
})
