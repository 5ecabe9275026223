import { describe, expect, it } from 'vitest'
import { makeTestContext, runActivity } from '../../../test/activity-context.ts'
import { type Json, type ReadValue, WaitForRuns } from '../activity.ts'
import { extractFromTrajectories, listEmitAwait, numberSequenceGenerator } from './list-emit-await.ts'

const started = async (parameters: Record<string, Json>, most = Number.POSITIVE_INFINITY) => {
  const result = await runActivity(listEmitAwait, parameters)
  if (!(result instanceof WaitForRuns)) throw new Error('it waits for nothing')
  const { runs } = result
  return {
    ...runs,
    params: Array.from({ length: Math.min(runs.count, most) }, (_, index) => runs.initParams(index)),
    ...result,
  }
}

const people = [{ name: 'Ada', address: { city: 'London' } }, { name: 'Emil' }]

describe('list_emit_await', () => {
  it('puts the item under item beside what all get, five at a time', async () => {
    const given = { items_path: [1, 2], child_workflow_name: 'one', child_init_params: { style: 'short', item: 0 } }
    expect(await started(given)).toMatchObject({
      task: 'one',
      params: [
        { style: 'short', item: 1 },
        { style: 'short', item: 2 },
      ],
      maxConcurrency: 5,
      continueOnError: false,
      until: null,
    })
  })

  it('takes another name for the item, or its members', async () => {
    const given = { items_path: people, child_workflow_name: 'one' }
    const named = await started({ ...given, item_param_name: 'person' })
    expect(named.params).toEqual(people.map((person) => ({ person })))
    const spread = await started({ ...given, spread_items: true, child_init_params: { name: 'nobody', role: 'x' } })
    expect(spread.params).toEqual(people.map((person) => ({ role: 'x', ...person })))
  })

  it('takes the older forms', async () => {
    const old = await started({
      items_path: people.slice(0, 1),
      task_reference: { task_name: 'greet', version: 3 },
      data_mapping: {
        who: '{{ $item.name }}',
        all: '{{$item}}',
        line: 'No. {{ $index }}: {{ $item.name }} of {{ $item.address.city }}',
        nested: { place: ['{{ $item.address }}', 7] },
        fixed: true,
      },
      execution_config: { max_concurrency: 3, timeout: 60, continue_on_error: true, strategy: 'parallel' },
    })
    expect(old).toMatchObject({ task: 'greet', maxConcurrency: 3, continueOnError: true })
    expect(old.until).toEqual(new Date('2026-01-01T00:01:00Z'))
    expect(old.params).toEqual([
      {
        who: 'Ada',
        all: people[0],
        line: 'No. 0: Ada of London',
        nested: { place: [{ city: 'London' }, 7] },
        fixed: true,
      },
    ])
  })

  it('puts the item under its name as well, where one is given beside a mapping', async () => {
    const given = { items_path: ['a'], child_workflow_name: 'one', data_mapping: { at: '{{ $index }}' } }
    expect((await started({ ...given, item_param_name: 'letter' })).params).toEqual([{ at: 0, letter: 'a' }])
  })

  it('a value of an item is data: what looks like a placeholder in it stays', async () => {
    const given = { items_path: [{ text: '{{ $index }}' }], child_workflow_name: 'one' }
    const { params } = await started({ ...given, data_mapping: { text: 'say {{ $item.text }}' } })
    expect(params).toEqual([{ text: 'say {{ $index }}' }])
  })

  it.each([
    [{ items_path: null, child_workflow_name: 'one' }, 'items_path'],
    [{ items_path: { a: 1 }, child_workflow_name: 'one' }, 'items_path must point at a list'],
    [{ items_path: [1] }, 'child_workflow_name is required'],
    [
      { items_path: [1, 'x'], child_workflow_name: 'one', spread_items: true },
      'spread_items needs objects, but item 0 is not an object',
    ],
    [
      { items_path: people, child_workflow_name: 'one', data_mapping: { city: '{{ $item.address.city }}' } },
      "data_mapping: item 1 has no 'address.city'",
    ],
  ])('refuses %j', async (parameters, error) => {
    await expect(runActivity(listEmitAwait, parameters)).rejects.toThrow(error)
  })

  it('puts out references in the order of the items, and counts', async () => {
    const { outputs } = await started({ items_path: [1, 2, 3], child_workflow_name: 'one', continue_on_error: true })
    const run = { name: 'acme/one', error: null }
    const ended = [
      { ...run, trajectory_id: 'aaaaaaaa', status: 'completed', index: 0 },
      { ...run, trajectory_id: 'bbbbbbbb', status: 'failed', index: 1 },
    ] as const
    expect(await outputs([...ended])).toEqual({
      trajectory_references: [
        { trajectory_id: 'aaaaaaaa', name: 'acme/one', status: 'completed', index: 0 },
        { trajectory_id: 'bbbbbbbb', name: 'acme/one', status: 'failed', index: 1 },
      ],
      total: 3,
      completed: 1,
      failed: 1,
      not_started: 1,
      trajectory_ids: ['aaaaaaaa', 'bbbbbbbb'],
    })
  })

  it('makes no run whose parameters are larger than those of any other run', async () => {
    const one = { child_workflow_name: 'one' }
    const text = 'x'.repeat(700_000)
    await expect(started({ ...one, items_path: ['x', text + text] })).rejects.toThrow(
      'The parameter object of the run of item 1 is larger than the limit of init_params (1 MiB)',
    )
    await expect(started({ ...one, items_path: [text], child_init_params: { text } })).rejects.toThrow('run of item 0')
    for (const mapping of [{ a: '{{ $item }}'.repeat(900) }, new Array(900).fill('{{ $item }}')]) {
      const given = { ...one, items_path: [text], data_mapping: { mapping } }
      await expect(started(given)).rejects.toThrow('The result of data_mapping for item 0 is larger')
    }
    const many = { ...one, items_path: [1], data_mapping: { a: '{{ $item }}'.repeat(1_001) } }
    await expect(started(many)).rejects.toThrow('data_mapping has 1001 placeholders; at most 1000 are allowed')
  })

  it('leaves others their turn while it looks at many items', async () => {
    let turns = 0
    let isOver = false
    const look = () => {
      turns++
      if (!isOver) setImmediate(look)
    }
    setImmediate(look)
    const items = Array.from({ length: 2_000 }, (_, at) => at)
    await started({ items_path: items, child_workflow_name: 'one', data_mapping: { a: '{{ $index }}'.repeat(900) } }, 1)
    isOver = true
    expect(turns).toBeGreaterThan(20)
  })
})

it.each([
  [{ end: 5 }, [1, 2, 3, 4, 5]],
  [{ start: 0, count: 3 }, [0, 1, 2]],
  [{ start: 0, end: 10, step: 4 }, [0, 4, 8]],
  [{ start: 3, end: 1 }, [3, 2, 1]],
  [{ start: 0, end: 1, step: 0.1 }, [0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1]],
  [{ start: 1, count: 3, step: -0.5 }, [1, 0.5, 0]],
  [{ start: 5, end: 1, step: 1 }, []],
  [{ count: 0 }, []],
])('%j gives %j', async (given, numbers) => {
  expect(await runActivity(numberSequenceGenerator, given)).toEqual({ numbers, items: numbers, count: numbers.length })
})

it.each([
  [{}, /Exactly one of end and count is required/],
  [{ end: 3, count: 3 }, /Exactly one of/],
  [{ end: 3, step: 0 }, /step must not be 0/],
  [{ end: 1e12 }, /has 1000000000000 numbers; at most 5 are allowed/],
  [{ start: -1e300, end: 1e300, step: 1e-9 }, /at most 5 are allowed/],
])('refuses %j', async (given, words) => {
  const context = makeTestContext({ settings: { sequenceNumbers: 5 } })
  await expect(runActivity(numberSequenceGenerator, given, context)).rejects.toThrow(words)
})

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
