import { spawnSync } from 'node:child_process'
import fc from 'fast-check'
import { describe, expect, it, test } from 'vitest'
import { fillCommand } from './fill-command.ts'

/** What a shell prints with each of these values. */
const runs = (command: string, values: readonly string[], shell = 'sh'): string[] => {
  const env: Record<string, string | undefined> = { PATH: process.env.PATH }
  const script = values.map((value, at) => {
    const filled = fillCommand(command, (name) => (name === 'value' ? value : undefined))
    for (const [name, one] of Object.entries(filled.env)) env[`V${at}_${name}`] = one
    const own = filled.command.replaceAll('JETTY_VALUE_', `V${at}_JETTY_VALUE_`)
    return `(\n${own}\n) || echo "ended with $?"\nprintf '\\n--\\n'`
  })
  const { stdout } = spawnSync(shell, ['-c', script.join('\n')], { encoding: 'utf8', env })
  return stdout.split('\n--\n').slice(0, -1)
}

const places = [
  'printf %s {{value}}',
  'printf %s "{{value}}"',
  "printf %s '{{value}}'",
  'test -n x && printf %s {{ value }}',
  'printf %s "$(printf %s {{value}}; echo x)" | sed "\\$s/x\\$//"',
  'printf %s "$(printf %s "{{value}}"; echo x)" | sed "\\$s/x\\$//"',
  `printf %s "$(printf %s '{{value}}'; echo x)" | sed "\\$s/x\\$//"`,
  'true # it\'s a remark, "of all\nprintf %s {{value}}',
  'test \\\' = "\'" && printf %s {{value}}',
  'test \\" = \'"\' && printf %s "{{value}}"',
  "x=it\\'s#not; printf %s '{{value}}'",
  `( printf %s "\${none:-}{{value}}" )`,
]
const nasty = [
  "o'x; exit 0 #",
  '"; exit 0; "',
  '$(exit 0)',
  '`exit 0`',
  'a b  c',
  '\\',
  '\\"',
  '$HOME $$ $1',
  'two\nlines',
  '; exit 0',
  '*',
  '~',
  "'",
  "''\\''",
  '! & | > < ( ) { } [ ] ?',
  'Zürich 東京',
  '{{value}}',
]

describe.each(places)('in %s', (place) => {
  it('is text, whatever it is', () => {
    expect(runs(place, nasty)).toEqual(nasty)
  })
})

test('any text is text, to either shell', () => {
  const value = fc.string({ maxLength: 12, unit: fc.constantFrom(...'\'"\\$`(){};&|#\n *?ax!~') })
  fc.assert(
    fc.property(
      fc.constantFrom(...places),
      fc.array(value, { maxLength: 60 }),
      fc.constantFrom('sh', 'bash'),
      (place, texts, shell) => {
        const wanted = texts.filter((text) => text !== '' && !text.endsWith('\n'))
        expect(runs(place, wanted, shell)).toEqual(wanted)
      },
    ),
    { numRuns: 12 }, // each starts a shell, for up to 60 values
  )
})

const breaking = [...nasty, 'two\nEND\nexit 0', 'x\nTWO\nexit 0']

test.each([
  'cat <<END | head -c -1\n{{value}}\nEND',
  'cat <<-END | head -c -1\n\t{{value}}\n\tEND',
  'x=$((1<<n))\ncat <<END | head -c -1\n{{value}}\nEND',
])('in a text of lines it is all of its lines: %s', (command) => {
  expect(runs(command, breaking)).toEqual(breaking)
})

test.each([
  "cat <<'END' | head -c -1\n{{value}}\nEND\ntrue \"it's over\"",
  'cat <<ONE <<"TWO" | head -c -1\nnothing $(exit 3)\nONE\n{{value}}\nTWO',
])('in a text of lines that knows no variables it is one of them: %s', (command) => {
  expect(runs(command, breaking)).toEqual(breaking.map((value) => value.replace(/\s*\n\s*/g, ' ')))
})

test('in arithmetic a number counts, and what is none stays as it is written', () => {
  const filled = (value: string) => fillCommand('echo $(( {{value}} + 1 )) "$((1 - {{value}}))"', () => value)
  expect(filled('41').command).toBe('echo $(( 41 + 1 )) "$((1 - 41))"')
  for (const value of ['$(touch /tmp/never)', 'PATH[$(exit 3)]', '1 + 1']) {
    expect(filled(value)).toEqual({ command: 'echo $(( {{value}} + 1 )) "$((1 - {{value}}))"', env: {} })
  }
})

test('the value of a variable is passed once, however often and wherever it stands', () => {
  const given: Record<string, string> = { a: 'x y', 'a-b': "it's" }
  expect(fillCommand(`echo {{a}} "{{a}}" '{{a-b}}' $(echo {{a}})`, (name) => given[name])).toEqual({
    command: `echo "\${JETTY_VALUE_1}" "\${JETTY_VALUE_1}" ''"\${JETTY_VALUE_2}"'' $(echo "\${JETTY_VALUE_1}")`,
    env: { JETTY_VALUE_1: 'x y', JETTY_VALUE_2: "it's" },
  })
})

test('a command of any shape is filled or refused in a moment', () => {
  for (const shape of ['$(', '"$(', '`', '((', '{{value}}', '"${x:-', "<<'E'\n", '$((', '[[ ', '<(']) {
    const command = `{{value}} ${shape.repeat(400)}`
    const begun = performance.now()
    try {
      expect(fillCommand(command, () => 'a b').env).toEqual({ JETTY_VALUE_1: 'a b' })
    } catch (error) {
      expect(error).toMatchObject({ code: 'invalid', message: expect.stringContaining('nests too deeply') })
    }
    expect(performance.now() - begun).toBeLessThan(5_000)
  }
  expect(() => fillCommand(`{{value}} ${'x'.repeat(16 * 1024)}`, () => 'a')).toThrow('more than 16384 characters')
  expect(() => fillCommand(`{{value}} ${'$('.repeat(1_001)}`, () => 'a')).toThrow('more than 1000 opening brackets')
  expect(fillCommand('x'.repeat(100_000), () => 'a').command).toHaveLength(100_000)
})

test.each([
  'true\n# {{value}}\nprintf %s safe',
  "true # it's {{value}}\nprintf %s safe",
  'x=$((1<<2))\n: {{value}}\nprintf %s safe',
  ": $((1<<n)) '{{value}}'\nprintf %s safe",
])('it ends nothing: %s', (command) => {
  for (const said of runs(command, [...nasty, "x\nexit 0\n'"])) expect(said).toBe('safe')
})

test('what is plain stands as it is, what nothing fills stays, and a secret is the name of its variable', () => {
  const fill = (command: string, value: string | undefined) => {
    const filled = fillCommand(command, () => value)
    return Object.entries(filled.env).reduce((text, [name, one]) => text.replaceAll(`\${${name}}`, one), filled.command)
  }
  expect(fill('test -f {{name}} -a -f /app/{{name}}', 'a/b_c-1.txt')).toBe('test -f a/b_c-1.txt -a -f /app/a/b_c-1.txt')
  expect(fill('jq {{name}}', undefined)).toBe('jq {{name}}')
  expect(fill('echo {{name}}', '')).toBe('echo ""')
  expect(fill('test -n "{{secrets.key}}"', '$KEY')).toBe('test -n "$KEY"')
  expect(fill('echo {{name}}', 'a\0b')).toBe('echo ab')
})
