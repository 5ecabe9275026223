import { expect, test } from 'vitest'
import { makeTestContext } from '../../../test/activity-context.ts'
import { registerDataset, registerModel } from './data-activities.ts'

const parsed = (each: typeof registerDataset, config: object) =>
  each.parameters.parse(config) as Record<string, unknown>

test('a dataset is registered with what was given, and nothing else is touched', async () => {
  const context = makeTestContext()
  const items = [{ id: 7, a: 1 }, { a: 2 }, { id: '', a: 3 }]
  const files = ['acme/x/0000/a.csv', { path: 'acme/x/0000/b.csv', name: 'b.csv' }]
  await registerDataset.run(parsed(registerDataset, { name: 'made', items, files, description: 'What it is' }), context)
  expect(context.registered).toEqual([
    {
      ...{ kind: 'dataset', name: 'made', mode: 'upsert', activityName: 'run', madeFrom: [] },
      fields: { long_description: 'What it is' },
      items: [{ id: '7', data: { a: 1 } }, { data: { a: 2 } }, { data: { a: 3 } }],
      files: ['acme/x/0000/a.csv', 'acme/x/0000/b.csv'],
    },
  ])
})

test('a column of another name is the id, and an id that is none is named', async () => {
  const context = makeTestContext()
  const given = (id: unknown) =>
    parsed(registerDataset, { name: 'made', items: [{ key: id, id: 1 }], id_column: 'key' })
  await registerDataset.run(given('k'), context)
  expect(context.registered[0]?.items).toEqual([{ id: 'k', data: { id: 1 } }])
  await expect(registerDataset.run(given(['k']), context)).rejects.toThrow(
    'Item 0 needs a text of at most 200 characters or a number as its key',
  )
})

test('a model is registered where it is', async () => {
  const context = makeTestContext()
  const config = {
    name: 'router',
    weights: 'hf://acme/router',
    attributes: { size: 7 },
    made_from: ['dataset/acme/qa'],
  }
  expect(await registerModel.run(parsed(registerModel, config), context)).toEqual({
    ...{ model: 'router', collection: 'acme', version: 0, created: true },
  })
  expect(context.registered).toEqual([
    {
      ...{ kind: 'trained_model', name: 'router', activityName: 'run', madeFrom: ['dataset/acme/qa'] },
      fields: { model_path: 'hf://acme/router', model_attributes: { size: 7 } },
    },
  ])
})
