import { describe, expect, it } from 'vitest'
import { noFields, type ParameterFields, readFields } from './fields.ts'

const read = (part: Partial<ParameterFields>, limit?: 'max_completion_tokens') =>
  readFields({ ...noFields, ...part }, limit)

describe('fields', () => {
  it('that are empty are left to the model', () => {
    expect(read({})).toEqual({ members: {}, faults: {} })
  })

  it('become members of the request', () => {
    const { members, faults } = read({
      ...{ temperature: '0.5', maxTokens: '100', topP: '1', seed: '-7', stop: 'END\n\nSTOP\n' },
      ...{ format: 'json_object', more: '{"presence_penalty": 0.5}' },
    })
    expect(faults).toEqual({})
    expect(members).toEqual({
      ...{ temperature: 0.5, max_tokens: 100, top_p: 1, seed: -7, stop: ['END', 'STOP'] },
      ...{ response_format: { type: 'json_object' }, presence_penalty: 0.5 },
    })
  })

  it('limit the answer by the name that the model knows', () => {
    expect(read({ maxTokens: '5' }, 'max_completion_tokens').members).toEqual({ max_completion_tokens: 5 })
  })

  it('send a schema by its name', () => {
    const { members } = read({
      format: 'json_schema',
      schemaName: 'ports',
      schema: '{"type":"object"}',
      isStrict: false,
    })
    expect(members).toEqual({
      response_format: { type: 'json_schema', json_schema: { name: 'ports', schema: { type: 'object' } } },
    })
  })

  it.each<[Partial<ParameterFields>, keyof ParameterFields]>([
    [{ temperature: '3' }, 'temperature'],
    [{ temperature: 'warm' }, 'temperature'],
    [{ maxTokens: '0' }, 'maxTokens'],
    [{ maxTokens: '1.5' }, 'maxTokens'],
    [{ topP: '-1' }, 'topP'],
    [{ seed: '1e3' }, 'seed'],
    [{ stop: 'a\nb\nc\nd\ne' }, 'stop'],
    [{ format: 'json_schema', schema: '[' }, 'schema'],
    [{ format: 'json_schema', schema: '[]' }, 'schema'],
    [{ format: 'json_schema', schema: '{"type":"text"}' }, 'schema'],
    [{ format: 'json_schema', schemaName: 'my answer' }, 'schemaName'],
    [{ more: '[1]' }, 'more'],
    [{ more: '{"stream": false}' }, 'more'],
  ])('%j are refused at %s', (part, name) => {
    expect(Object.keys(read(part).faults)).toEqual([name])
  })

  it('of a schema that is not used are not looked at', () => {
    expect(read({ schema: 'nothing', schemaName: '' }).faults).toEqual({})
  })
})
