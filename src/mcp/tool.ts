import type { z } from 'zod'
import type { contract } from '../api/contract.ts'
import type { AnyInput } from '../client/client.ts'

/** Name of an operation of the API. */
export type OperationName = keyof typeof contract & string

/** The person's answer to a question of a tool. */
interface PersonAnswer {
  action: 'accept' | 'decline' | 'cancel'
  content?: Record<string, unknown> | undefined
}

/** Asks the person in front of the client. `fields` are the properties of a flat JSON Schema. */
export type AskPerson = (message: string, fields: Record<string, object>, required: string[]) => Promise<PersonAnswer>

/** The context of a tool call: the API under the caller's key, and the client that called. */
export interface ToolContext {
  /** Calls an operation and returns its JSON. Throws the server's error, and `too_large` for an answer of over 4 MiB. */
  call(operation: OperationName, input: AnyInput): Promise<unknown>
  /** Calls an operation and returns the response, to be read in parts. */
  open(operation: OperationName, input: AnyInput): Promise<Response>
  /** Fires when the client has cancelled the call, or has left. */
  signal: AbortSignal
  /** Tells the client how far a long call is, if it wants to know. `done` may only grow. */
  progress(done: number, total: number | undefined, message: string): void
  /** Undefined: the client cannot ask. */
  askPerson: AskPerson | undefined
  /** Folder of this machine whose files may be sent and written; undefined on a server. */
  folder: string | undefined
}

/** A picture that a model can look at, in the place of JSON. */
interface ShownImage {
  mimeType: string
  base64: string
}

/** The answer of a tool. */
export interface ToolOutcome {
  /** JSON; shortened where it is too long for a model. */
  value: unknown
  image?: ShownImage
  /** The call that returns what was left out, where anything was. */
  rest?: string
}

/** A tool of the MCP server. */
export interface Tool {
  name: string
  title: string
  /** Description for a model: the purpose of the tool, and when to use it. */
  description: string
  /** Every operation that it calls. They decide which keys see it. */
  operations: readonly OperationName[]
  input: z.ZodObject
  /** The members of its result. A list is the only member. */
  output: z.ZodObject
  /** Whether it ends, replaces or removes something for good. */
  isDestructive: boolean
  /** Whether it works only beside the files of the caller. */
  needsFolder: boolean
  run(context: ToolContext, args: Record<string, unknown>): Promise<ToolOutcome>
}

interface ToolRow<Input extends z.ZodObject>
  extends Omit<Tool, 'input' | 'isDestructive' | 'needsFolder' | 'run'>,
    Partial<Pick<Tool, 'isDestructive' | 'needsFolder'>> {
  input: Input
  run(context: ToolContext, args: z.output<Input>): Promise<ToolOutcome>
}

/** Declares a tool that calls several operations. */
export const composedTool = <Input extends z.ZodObject>(row: ToolRow<Input>): Tool => ({
  isDestructive: false,
  needsFolder: false,
  ...row,
  run: (context, args) => row.run(context, row.input.parse(args)),
})

/** The text of a call, as a model writes it: the name of the tool and its arguments. */
export const callText = (tool: string, args: Record<string, unknown>): string => `${tool} ${JSON.stringify(args)}`
