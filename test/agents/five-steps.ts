import { dirname } from 'node:path'
import { type ChatCompletionRequest, LLMock, type ToolCall } from '@copilotkit/aimock'

/** A runbook of five steps, and what is to be found when they have been carried out. */
export const fiveSteps = {
  runbook: `---
version: "1.0.0"
evaluation: programmatic
primary_outputs:
  - summary.md
---
# Five Steps

## Objective

Write five files, one after the other.

## REQUIRED OUTPUT FILES

| File | Description |
| --- | --- |
| \`{{results_dir}}/numbers.txt\` | The numbers from 1 to 5 |
| \`{{results_dir}}/sum.txt\` | Their sum |
| \`{{results_dir}}/parts/squares.csv\` | Their squares |
| \`{{results_dir}}/summary.md\` | What was done |
| \`{{results_dir}}/validation_report.json\` | Whether it is right |

## Steps

1. Write the numbers from 1 to 5.
2. Write their sum.
3. Write their squares.
4. Write a summary.
5. Check it, and write the report.
`,
  files: {
    'numbers.txt': '1\n2\n3\n4\n5\n',
    'sum.txt': '15\n',
    'parts/squares.csv': 'number,square\n1,1\n2,4\n3,9\n4,16\n5,25\n',
    'summary.md': '# Summary\n\nFive numbers, whose sum is 15.\n',
    'validation_report.json': '{"overall_passed": true, "checks": 5}\n',
  },
  /** What the model says at the end. */
  done: 'All five steps are carried out.',
  /** Tokens of each of its six answers. */
  tokens: { input: 100, output: 20 },
} as const

/** How each agent's tools write a file with a command of a shell, found by what it offers the model. */
const shells: Readonly<Record<string, (command: string) => unknown>> = {
  Bash: (command) => ({ command, description: 'Carry out a step' }), // claude-code
  exec_command: (cmd) => ({ cmd }), // codex
  shell_command: (command) => ({ command }),
  shell: (command) => ({ command: ['bash', '-c', command] }),
  run_shell_command: (command) => ({ command, description: 'Carry out a step' }), // gemini-cli
  bash: (command) => ({ command, description: 'Carry out a step' }), // opencode
}

/** A call of the shell that the agent offers; undefined where it offers none, as when it asks for a title. */
export const shellCall = (request: ChatCompletionRequest, command: string, id: string): ToolCall | undefined => {
  const offered = new Set(request.tools?.map((tool) => tool.function.name))
  const name = Object.keys(shells).find((shell) => offered.has(shell))
  const argumentsOf = name && shells[name]
  return argumentsOf ? { name, id, arguments: JSON.stringify(argumentsOf(command)) } : undefined
}

const { input, output } = fiveSteps.tokens

/** The usage of an answer in the words of every wire that the agents speak. */
export const modelUsage = {
  input_tokens: input,
  output_tokens: output,
  prompt_tokens: input,
  completion_tokens: output,
  promptTokenCount: input,
  candidatesTokenCount: output,
}

/** How many of an agent's tools have answered in this request. */
export const answeredTools = (request: ChatCompletionRequest): number =>
  request.messages.filter(({ role }) => role === 'tool').length

/** Commands, or those that an agent is to carry out which asks so. */
type Commands = readonly string[] | ((request: ChatCompletionRequest) => readonly string[])

/**
 * A model that has an agent carry out these commands, one after the other, each only once the one before it is answered
 * for; then it says that all is done. It speaks the wires of every provider.
 */
export const startModel = async (commands: Commands, done: string = fiveSteps.done): Promise<LLMock> => {
  const mock = new LLMock({ port: 0 })
  mock.on({ predicate: () => true }, (request) => {
    const step = answeredTools(request)
    const command = (typeof commands === 'function' ? commands(request) : commands)[step]
    const call = command === undefined ? undefined : shellCall(request, command, `call_${step + 1}`)
    return call ? { toolCalls: [call], usage: modelUsage } : { content: done, usage: modelUsage }
  })
  await mock.start()
  return mock
}

/** The commands that write the files of the five steps into a results folder. */
export const fiveCommands = (results = '/app/results'): string[] =>
  Object.entries(fiveSteps.files).map(([name, text]) => {
    const path = `${results}/${name}`
    return `mkdir -p ${dirname(path)} && printf '%s' '${text}' > ${path} && echo wrote ${name}`
  })

/** A model that carries out the five steps. */
export const startFiveSteps = (results?: string): Promise<LLMock> => startModel(fiveCommands(results))
