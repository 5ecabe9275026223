import { describe, expect, test } from 'vitest'
import type { CollectionRun } from '../../../src/model/runs/collection-run.ts'
import { filterQuery, noFilters } from '../../parts/filters/run-filters.ts'
import { mayBelong, mergeNews } from './merge-news.ts'

const run = (id: string, more: Partial<CollectionRun> = {}) =>
  ({
    task: 'hello',
    trajectory_id: id,
    status: 'running',
    created: `2026-11-28T12:00:0${id}`,
    labels: [],
    trigger: 'api',
    ...more,
  }) as CollectionRun

const pages = [{ runs: [run('4'), run('3')] }, { runs: [run('2'), run('1')] }]
const ids = (merged: { runs: CollectionRun[] }[]) =>
  merged.map(({ runs }) => runs.map((one) => one.trajectory_id).join(''))

describe('news of a list', () => {
  test('change a row in its place, and leave other pages as they are', () => {
    const { pages: merged, unseen } = mergeNews(pages, [{ kind: 'run', run: run('2', { status: 'failed' }) }])
    expect(merged[1]?.runs[0]?.status).toBe('failed')
    expect(merged[0]).toBe(pages[0])
    expect(ids(merged)).toEqual(['43', '21'])
    expect(unseen).toEqual([])
  })

  test('tell of a run that began, without putting it in', () => {
    const { pages: merged, unseen } = mergeNews(pages, [{ kind: 'run', run: run('5') }])
    expect(ids(merged)).toEqual(['43', '21'])
    expect(unseen.map((one) => one.trajectory_id)).toEqual(['5'])
  })

  test('tell nothing of an older run that other pages would have', () => {
    expect(mergeNews(pages, [{ kind: 'run', run: run('0') }]).unseen).toEqual([])
  })

  test('tell of a run once, as it is at last', () => {
    const news = [run('5'), run('5', { status: 'completed' })].map((one) => ({ kind: 'run' as const, run: one }))
    expect(mergeNews(pages, news).unseen).toEqual([run('5', { status: 'completed' })])
  })

  test('take out what was removed', () => {
    const { pages: merged, unseen } = mergeNews(pages, [
      { kind: 'run', run: run('5') },
      { kind: 'removed', runs: [run('3'), run('5')] },
    ])
    expect(ids(merged)).toEqual(['4', '21'])
    expect(unseen).toEqual([])
  })

  test('fill an empty list', () => {
    expect(mergeNews([{ runs: [] }], [{ kind: 'run', run: run('1') }]).unseen).toHaveLength(1)
  })
})

const labelled = run('1', { labels: [{ key: 'grade', value: 'good', author: 'a', created: '', recorded_by: null }] })

test.each([
  [run('1'), {}, true],
  [run('1'), { status: ['failed'] }, false],
  [run('1'), { status_not: ['running'] }, false],
  [run('1'), { task: ['other'] }, false],
  [run('1'), { task_not: ['hello'] }, false],
  [run('1'), { trigger: ['routine'] }, false],
  [run('1', { author: 'admin' }), { author: ['admin'] }, true],
  [run('1', { author: 'admin' }), { author: ['api-key:ci'] }, false],
  [run('1', { trigger: 'parent' }), {}, false],
  [run('1', { trigger: 'parent' }), { children: 'shown' as const }, true],
  [run('1'), { label: ['grade'] }, false],
  [labelled, { label: ['grade'] }, true],
  [labelled, { label: ['grade:good'] }, true],
  [labelled, { label: ['grade:bad'] }, false],
  [labelled, { label_not: ['grade'] }, false],
])('%o belongs to a list with %j: %s', (one, filters, belongs) => {
  expect(mayBelong(one, filterQuery({ ...noFilters, ...filters }, 0))).toBe(belongs)
})
