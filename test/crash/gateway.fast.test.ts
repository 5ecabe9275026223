// The crash tests of the gateway with small numbers: the part of them that `npm test` has time for.
import { expect, it } from 'vitest'
import { createTestDatabase } from '../database.ts'
import { gatewayKills } from './scenarios/gateway-kills.ts'
import { gatewayOutage } from './scenarios/gateway-outage.ts'

const timeout = 300_000

it('a call that a client saw complete is on record, however the server was killed', { timeout }, async () => {
  expect(await gatewayKills({ rounds: 2, clients: 40, mode: 'log' })).toEqual([])
})

it('calls go on while the database is away, and are on record afterwards', { timeout }, async () => {
  const database = await createTestDatabase()
  try {
    expect(await gatewayOutage({ databaseUrl: database.url, how: 'cut', seconds: 3, clients: 16 })).toEqual([])
  } finally {
    await database.drop()
  }
})
