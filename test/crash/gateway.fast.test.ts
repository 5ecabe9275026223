// The crash tests of the gateway with small numbers: the part of them that `npm test` has time for.
import { expect, it } from 'vitest'
import { createTestDatabase } from '../database.ts'
import { gatewayKills } from './scenarios/gateway-kills.ts'
import { gatewayOutage } from './scenarios/gateway-outage.ts'

const timeout = 300_000

/** Between two calls of a client: a thousand calls are as good as twenty thousand, and take less CPU. */
const pauseMs = 40

it('a call that a client saw complete is on record, however the server was killed', { timeout }, async () => {
  expect(await gatewayKills({ rounds: 2, clients: 40, mode: 'log', pauseMs })).toEqual([])
})

it('calls go on while the database is away, and are on record afterwards', { timeout }, async () => {
  const database = await createTestDatabase()
  try {
    const options = { databaseUrl: database.url, how: 'cut', seconds: 3, clients: 16, pauseMs } as const
    expect(await gatewayOutage(options)).toEqual([])
  } finally {
    await database.drop()
  }
})
