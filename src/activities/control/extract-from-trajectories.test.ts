import { expect, it } from 'vitest'
import { makeTestContext, runActivity } from '../../../test/activity-context.ts'
import type { ReadValue } from '../activity.ts'
import { extractFromTrajectories } from './extract-from-trajectories.ts'

const found = (value: unknown): ReadValue => ({ found: true, value })
const missing: ReadValue = { found: false, reason: 'the run has no step' }

/** What the runs are asked for, and what they hold. */
const withRuns = (rows: ReadValue[][]) => {
  const asked: { trajectory_ids: string[]; paths: string[] }[] = []
  const read = async (one: (typeof asked)[number]) => {
    asked.push(one)
    return rows
  }
  return { asked, context: makeTestContext({ runs: { read } }) }
}

it('gives an object a run, null for what is missing, and says why', async () => {
  const { asked, context } = withRuns([
    [found('a'), found([1, 2])],
    [missing, found(null)],
  ])
  const parameters = {
    trajectory_list_path: [{ trajectory_id: '11111111', name: 'acme/one', status: 'completed' }, '22222222'],
    extract_keys: { text: 'say.outputs.text', list: 'say.outputs.list' },
  }
  expect(await runActivity(extractFromTrajectories, parameters, context)).toEqual({
    extracted_data: [
      { text: 'a', list: [1, 2] },
      { text: null, list: null },
    ],
    by_key: { text: ['a', null], list: [[1, 2], null] },
    count: 2,
    errors: [{ trajectory_id: '22222222', key: 'text', reason: 'the run has no step' }],
  })
  expect(asked).toEqual([{ trajectory_ids: ['11111111', '22222222'], paths: ['say.outputs.text', 'say.outputs.list'] }])
})

it('gives one flat list on request', async () => {
  const { context } = withRuns([
    [found('a'), found([1, [2]])],
    [missing, found(3)],
  ])
  const parameters = {
    trajectory_list_path: ['11111111', '22222222'],
    extract_keys: { text: 'say.outputs.text', list: 'say.outputs.list' },
    flatten_results: true,
  }
  const { extracted_data: flat } = (await runActivity(extractFromTrajectories, parameters, context)) as {
    extracted_data: unknown[]
  }
  expect(flat).toEqual(['a', 1, [2], null, 3])
})

it('names the values of a list of paths by their last segments', async () => {
  const { context } = withRuns([[found('a'), found(1)]])
  const parameters = { trajectory_list_path: ['11111111'], extract_keys: ['say.outputs.text', 'say.outputs.list[0]'] }
  expect(await runActivity(extractFromTrajectories, parameters, context)).toMatchObject({
    extracted_data: [{ text: 'a', '0': 1 }],
  })
})

it.each([
  [{ trajectory_list_path: 'none', extract_keys: { a: 'b.outputs' } }, 'trajectory_list_path must point at a list'],
  [{ trajectory_list_path: [] }, 'extract_keys is required'],
  [{ trajectory_list_path: [{ id: 1 }], extract_keys: { a: 'b' } }, 'trajectory_list_path must point at a list'],
])('refuses %j', async (parameters, error) => {
  await expect(runActivity(extractFromTrajectories, parameters)).rejects.toThrow(error)
})
