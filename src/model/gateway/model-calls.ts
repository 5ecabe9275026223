import type { CallModel, ModelCaller } from './chat.ts'
import type { EmbedTexts } from './embedding.ts'
import type { MakeImages } from './image.ts'
import type { Predict, UploadInput } from './prediction.ts'

/** What a model is asked for; a prediction is the run of a model that has inputs of its own. */
export type ModelKind = 'chat' | 'embeddings' | 'images' | 'prediction'

/** A model as a step names it, before it is asked. */
export interface NamedModel {
  kind: ModelKind
  model: string
  provider?: string | undefined
  key?: string | undefined
}

/** Says whether somebody would answer: throws `model_unavailable` where nobody would. Sends nothing. */
export type CheckModel = (named: NamedModel, caller: Required<Pick<ModelCaller, 'env' | 'lent'>>) => Promise<void>

/** Every kind of call to a model that a step can make. Each looks keys and base URLs up in the variables of its caller. */
export interface ModelCalls {
  chat: CallModel
  embed: EmbedTexts
  image: MakeImages
  predict: Predict
  uploadInput: UploadInput
  check: CheckModel
}
