import { expect, it } from 'vitest'
import { webhookKills } from './scenarios/webhooks.ts'

it('tells of every run over workers that are killed again and again', async () => {
  expect(await webhookKills({ runs: 1_000, kills: 30 })).toEqual([])
})
