import { expect, it } from 'vitest'
import { lostAnswers } from './scenarios/lost-answers.ts'

it('answers of PostgreSQL that get lost strand no run and no lease', async () => {
  expect(await lostAnswers({ runs: 200, steps: 12, children: 150, share: 0.06 })).toEqual([])
})
