import type { CallModel } from './chat.ts'

/** Every kind of call to a model that a step can make. Each looks keys and base URLs up in the variables of its caller. */
export interface ModelCalls {
  chat: CallModel
}
