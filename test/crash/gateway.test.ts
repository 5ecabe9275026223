import { expect, it } from 'vitest'
import { createTestDatabase } from '../database.ts'
import { gatewayKills } from './scenarios/gateway-kills.ts'
import { gatewayOutage } from './scenarios/gateway-outage.ts'

const seconds = Number(process.env.CRASH_OUTAGE_SECONDS ?? 20)

it.each(['log', 'sync', 'commit'] as const)(
  'every call that a client saw complete is on record over 20 kills under 100 clients (%s)',
  async (mode) => {
    expect(await gatewayKills({ rounds: 20, clients: 100, mode })).toEqual([])
  },
)

it('every call that a client saw complete is on record once over 20 kills of server and Postgres together', async () => {
  expect(await gatewayKills({ rounds: 20, clients: 100, mode: 'log', victim: 'both' })).toEqual([])
})

it.each(['cut', 'freeze'] as const)(
  'a database that is away (%s) under load costs no record and no memory',
  async (how) => {
    const database = await createTestDatabase()
    try {
      expect(await gatewayOutage({ databaseUrl: database.url, how, seconds, clients: 32 })).toEqual([])
    } finally {
      await database.drop()
    }
  },
)
