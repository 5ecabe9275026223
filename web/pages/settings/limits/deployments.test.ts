import { expect, test } from 'vitest'
import { type Deployment, deploymentOfEntry, entryOfDeployment, sharesOf } from './deployments.tsx'

test.each<Deployment>([
  { model: 'gpt-4o' },
  {
    ...{ model: 'gpt-4o', name: 'eu', target: 'azure/gpt-4o-prod', weight: 0 },
    variables: { OPENAI_API_KEY: 'OPENAI_API_KEY_EU', OPENAI_BASE_URL: 'EU_URL' },
  },
])('%j is the same after it was shown and entered', (deployment) => {
  expect(deploymentOfEntry(entryOfDeployment(deployment))).toEqual({ deployment })
})

const empty = entryOfDeployment(undefined)

test.each([
  [{}, { model: expect.stringContaining('name of a model') }],
  [{ model: 'm', weight: 'many' }, { weight: 'Write a number from 0 to 1000' }],
  [{ model: 'm', weight: '-1' }, { weight: 'Write a number from 0 to 1000' }],
  [{ model: 'm', variables: 'A = B\nnonsense' }, { variables: expect.stringContaining('"nonsense" is not') }],
])('%j is refused', (entered, faults) => {
  expect(deploymentOfEntry({ ...empty, ...entered })).toEqual({ faults })
})

test('the shares are those among the deployments of a model', () => {
  const of = (model: string, weight?: number): Deployment => ({ model, ...(weight !== undefined && { weight }) })
  expect(sharesOf([of('a', 3), of('a'), of('b', 0), of('b', 0)])).toEqual([0.75, 0.25, 0, 0])
})
