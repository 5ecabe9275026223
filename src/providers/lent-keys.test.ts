import { describe, expect, it } from 'vitest'
import { readLentKeys } from './lent-keys.ts'

const variables: Record<string, string> = {
  OPENAI_API_KEY: ' sk-unmistakable-1 ',
  GEMINI_API_KEY: 'gm-unmistakable-2',
  GROQ_API_KEY: '  ',
}
const read = (...names: string[]) => readLentKeys(names, (name) => variables[name])

describe('readLentKeys', () => {
  it('reads the keys that are named, and no other', () => {
    const keys = read('OPENAI_API_KEY')
    expect([keys.names, keys.value('OPENAI_API_KEY'), keys.value('GEMINI_API_KEY')]).toEqual([
      ['OPENAI_API_KEY'],
      'sk-unmistakable-1',
      undefined,
    ])
  })

  it.each([
    ['GROQ_API_KEY', /names GROQ_API_KEY, but .* no such variable/],
    ['ANTHROPIC_API_KEY', /names ANTHROPIC_API_KEY, but/],
    ['OPENAI_APY_KEY', /names OPENAI_APY_KEY, which is not the key of a model provider/],
    ['DATABASE_URL', /names DATABASE_URL, which is not the key/],
  ])('refuses %s', (name, message) => {
    expect(() => read('GEMINI_API_KEY', name)).toThrow(message)
  })

  it('guesses what a wrong name should have been', () => {
    expect(() => read('OPENAI_APY_KEY')).toThrow(
      expect.objectContaining({ hint: 'Did you mean OPENAI_API_KEY?' }) as Error,
    )
  })

  it('finds missing what has no value under any name of its provider', () => {
    const missing = (env: Record<string, string>) =>
      read('OPENAI_API_KEY', 'GEMINI_API_KEY').missingIn((name) => env[name])
    expect(missing({})).toEqual(['OPENAI_API_KEY', 'GEMINI_API_KEY'])
    expect(missing({ OPENAI_API_KEY: ' ', GOOGLE_API_KEY: 'x' })).toEqual(['OPENAI_API_KEY'])
    expect(missing({ OPENAI_API_KEY: 'x', GEMINI_API_KEY: 'x' })).toEqual([])
  })
})
