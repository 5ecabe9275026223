import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { compileStatement, sqlTokens, statementFault } from './statement.ts'

describe('a statement that is read-only', () => {
  it.each([
    'select 1',
    'select 1;',
    ' -- a comment; with a semicolon\n(select 1) union all (select 2);;',
    "select ';' , \";\", $$;$$, $tag$ ; $$ $tag$, e'\\';' /* ; /* ; */ ; */",
    'WITH a AS (select 1) table a',
    'explain analyze select 1',
    'show server_version',
    'values (1)',
  ])('%s may be sent', (text) => {
    expect(statementFault(text, true)).toBeUndefined()
  })

  it.each([
    ['select 1; drop table t', /more than one statement/],
    ["select 'a\\'; drop table t; --'", /more than one statement/],
    ['select $a$ $b$ ; $a$; drop table t', /more than one statement/],
    ['/* /* */ select 1 */ drop table t', /drop changes something/],
    ['commit', /commit is not supported/],
    ['ROLLBACK and chain', /rollback is not supported/],
    ["copy (select 1) to program 'touch /tmp/x'", /copy is not supported/],
    ['do $$ begin end $$', /do changes something/],
    ['set transaction read write', /set changes something/],
    ['insert into t values (1)', /set read_only to false/],
    ["select 'no end", /has no end/],
    ['select $x$ no end', /has no end/],
    ['/* no end', /has no end/],
    [' -- nothing', /no statement/],
    ['', /no statement/],
    ["'select'", /no statement/],
  ])('%s is refused', (text, message) => {
    expect(statementFault(text, true)).toMatch(message)
  })

  it('may write, and do nothing to its transaction, if it says so', () => {
    expect(statementFault('insert into t values (1)', false)).toBeUndefined()
    expect(statementFault('do $$ begin end $$', false)).toBeUndefined()
    for (const text of ['commit', 'begin', "prepare transaction 'a'", 'copy t from stdin', 'a; b']) {
      expect(statementFault(text, false), text).toBeDefined()
    }
  })
})

const compiled = (text: string, parameters: unknown[] | Record<string, unknown>) => {
  const result = compileStatement(text, parameters)
  return 'problem' in result ? result.problem : result.statement
}

describe('parameters', () => {
  it('get a number by their name, once for each name', () => {
    const text = 'select :a::int, \':b\', x[1:n], :_b, :a, "c:d" -- :e\n where y = $$:f$$ and z := :a'
    expect(compiled(text, { a: 1, _b: 2, unused: 3 })).toMatchObject({
      text: 'select $1::int, \':b\', x[1:n], $2, $1, "c:d" -- :e\n where y = $$:f$$ and z := $1',
      values: [1, 2],
    })
  })

  it.each([
    ['select :a', {}, /has :a, and parameters has no 'a'/],
    ['select :constructor', {}, /has no 'constructor'/],
    ['select $1', { a: 1 }, /parameters is a list/],
    ['select $1, $2', [1], /has 2 parameters .* the list has 1/],
    ['select 1', [1], /has 0 parameters/],
  ])('%s with %j has a problem', (text, parameters, message) => {
    expect(compiled(text, parameters)).toMatch(message)
  })

  it('places of errors are those of the statement as it was written', () => {
    const written = 'select :customer, :customer, oops'
    const result = compiled(written, { customer: 1 })
    if (typeof result === 'string') throw new Error(result)
    expect(result.text).toBe('select $1, $1, oops')
    expect(written.slice(result.origin(result.text.indexOf('oops')))).toBe('oops')
    expect(result.origin(3)).toBe(3)
  })

  it('the tokens of any text are in order, within it, and as they stand there', () => {
    const pieces = fc.array(
      fc.constantFrom(
        "'",
        '"',
        '$$',
        '$a$',
        '--',
        '\n',
        '/*',
        '*/',
        ':',
        ':a',
        '$1',
        'e',
        'x',
        ' ',
        ';',
        '\\',
        '1',
        'é',
      ),
    )
    fc.assert(
      fc.property(pieces, (parts) => {
        const text = parts.join('')
        let end = 0
        for (const token of sqlTokens(text) ?? []) {
          expect(token.at).toBeGreaterThanOrEqual(end)
          expect(token.text).not.toBe('')
          expect(text.startsWith(token.text, token.at)).toBe(true)
          end = token.at + token.text.length
        }
      }),
    )
  })

  it('values never reach the text', () => {
    fc.assert(
      fc.property(fc.string(), fc.string(), (a, b) => {
        expect(compiled('select :a, :b', { a, b })).toMatchObject({ text: 'select $1, $2', values: [a, b] })
      }),
    )
  })

  it('hostile texts end', () => {
    for (const text of ['/*'.repeat(50_000), "'".repeat(99_999), '$a'.repeat(50_000), '-- \n'.repeat(25_000)]) {
      const tokens = sqlTokens(text)
      expect(tokens === undefined || tokens.length >= 0).toBe(true)
    }
  })
})
