import { describe, expect, it } from 'vitest'
import { runActivity } from '../../../test/activity-context.ts'
import { type Json, WaitForRuns } from '../activity.ts'
import { listEmitAwait } from './list-emit-await.ts'

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
