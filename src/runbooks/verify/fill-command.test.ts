import { spawnSync } from 'node:child_process'
import fc from 'fast-check'
import { describe, expect, it, test } from 'vitest'
import { fillCommand } from './fill-command.ts'

/** What a shell makes of it with each of these values: what is printed. */
const runs = (command: string, values: readonly string[], shell = 'sh'): string[] => {
  const filled = values.map((value) => fillCommand(command, (name) => (name === 'value' ? value : undefined)))
  const script = filled.map((one) => `(\n${one}\n) || echo "ended with $?"\nprintf '\\n--\\n'`).join('\n')
  const { stdout } = spawnSync(shell, ['-c', script], { encoding: 'utf8' })
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
    fc.property(fc.constantFrom(...places), fc.array(value), fc.constantFrom('sh', 'bash'), (place, texts, shell) => {
      const wanted = texts.filter((text) => text !== '' && !text.endsWith('\n'))
      expect(runs(place, wanted, shell)).toEqual(wanted)
    }),
    { numRuns: 60 },
  )
})

const line = (value: string) => value.replace(/\s*\n\s*/g, ' ')

test.each([
  'cat <<END | head -c -1\n{{value}}\nEND',
  "cat <<'END' | head -c -1\n{{value}}\nEND\ntrue \"it's over\"",
  'cat <<-END | head -c -1\n\t{{value}}\n\tEND',
  'cat <<ONE <<"TWO" | head -c -1\nnothing $(exit 3)\nONE\n{{value}}\nTWO',
  'x=$((1<<n))\ncat <<END | head -c -1\n{{value}}\nEND',
])('in a text of lines it is one of them: %s', (command) => {
  const values = [...nasty, 'two\nEND\nexit 0', 'x\nTWO\nexit 0']
  expect(runs(command, values)).toEqual(values.map(line))
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
  const fill = (command: string, value: string | undefined) => fillCommand(command, () => value)
  expect(fill('test -f {{name}} -a -f /app/{{name}}', 'a/b_c-1.txt')).toBe('test -f a/b_c-1.txt -a -f /app/a/b_c-1.txt')
  expect(fill('jq {{name}}', undefined)).toBe('jq {{name}}')
  expect(fill("echo '{{name}}'", '')).toBe("echo ''")
  expect(fill('echo {{name}}', '')).toBe("echo ''")
  expect(fill('test -n "{{secrets.key}}"', '$KEY')).toBe('test -n "$KEY"')
  expect(fill('echo {{name}}', 'a\0b')).toBe('echo ab')
})
