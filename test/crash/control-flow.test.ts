import { expect, it } from 'vitest'
import { controlFlow } from './scenarios/control-flow.ts'

it('branches, loops, steps side by side and retries go on where they stood, over 20 kills', async () => {
  expect(await controlFlow({ kills: 20, runs: 30 })).toEqual([])
})
