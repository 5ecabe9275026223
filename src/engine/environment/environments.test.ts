import { describe, expect, it } from 'vitest'
import { type LentKeys, lentKeyPlaceholder, noLentKeys } from '../../model/collections/trial.ts'
import { makeEnvironments } from './environments.ts'
import { runSecretsText } from './run-secrets.ts'

const key = 'sk-lent-unmistakable-77'
const lentKeys = {
  names: ['OPENAI_API_KEY'],
  value: (name: string) => (name === 'OPENAI_API_KEY' ? key : undefined),
  missingIn: () => [],
}

const environmentOf = (text: string | null, variables: Record<string, string> = {}, lending: LentKeys = lentKeys) =>
  makeEnvironments({
    openEnvironment: async () => variables,
    sealer: { open: (sealed) => sealed },
    lentKeys: lending,
  }).of(1, text, 'run')

describe('the environment of a run', () => {
  it('opens what was sealed before anything could be lent', async () => {
    const environment = await environmentOf('{"TOKEN":"of-this-run","lent":"also-a-secret"}', { TOKEN: 'of-all-runs' })
    expect([environment.get('TOKEN'), environment.get('lent')]).toEqual(['of-this-run', 'also-a-secret'])
    expect(environment.scrub.text('of-this-run of-all-runs also-a-secret')).toBe('*** *** ***')
  })

  it('writes secrets alone as it always did, and nothing where there is nothing', () => {
    expect(runSecretsText({ secrets: { A: 'b' }, lent: [] })).toBe('{"A":"b"}')
    expect(runSecretsText({ secrets: {}, lent: [] })).toBeNull()
  })

  it('has a placeholder for a lent key, and strikes both out', async () => {
    const text = runSecretsText({ secrets: { TOKEN: 'of-this-run' }, lent: ['OPENAI_API_KEY'] })
    expect(text).not.toContain(key)
    const environment = await environmentOf(text)
    expect([environment.get('OPENAI_API_KEY'), environment.lent('OPENAI_API_KEY')]).toEqual([lentKeyPlaceholder, true])
    expect([environment.get('TOKEN'), environment.lent('TOKEN')]).toEqual(['of-this-run', false])
    expect(environment.scrub.text(`${key} ${lentKeyPlaceholder} of-this-run`)).toBe('*** *** ***')
  })

  it('prefers a key of its own, unless it is empty', async () => {
    const text = runSecretsText({ secrets: {}, lent: ['OPENAI_API_KEY'] })
    const own = await environmentOf(text, { OPENAI_API_KEY: 'sk-own' })
    expect([own.get('OPENAI_API_KEY'), own.lent('OPENAI_API_KEY')]).toEqual(['sk-own', false])
    expect((await environmentOf(text, { OPENAI_API_KEY: ' ' })).lent('OPENAI_API_KEY')).toBe(true)
  })

  it('misses a key that the server lends no more', async () => {
    const text = runSecretsText({ secrets: {}, lent: ['OPENAI_API_KEY'] })
    const environment = await environmentOf(text, {}, noLentKeys)
    expect([environment.get('OPENAI_API_KEY'), environment.lent('OPENAI_API_KEY')]).toEqual([undefined, false])
  })
})
