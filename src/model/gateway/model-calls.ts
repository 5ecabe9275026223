import type { CallModel, ModelCaller } from './chat.ts'
import type { EmbedTexts } from './embedding.ts'
import type { MakeImages } from './image.ts'
import type { Predict, UploadInput } from './prediction.ts'

/** Kinds of model calls; a prediction runs a model that has its own inputs. */
export type ModelKind = 'chat' | 'embeddings' | 'images' | 'prediction'

/** A model as a step names it, before the call. */
export interface NamedModel {
  kind: ModelKind
  model: string
  provider?: string | undefined
  key?: string | undefined
}

/** Checks that a model can be served: throws `model_unavailable` otherwise. Sends nothing. */
export type CheckModel = (named: NamedModel, caller: Required<Pick<ModelCaller, 'env' | 'lent'>>) => Promise<void>

/** All kinds of model calls of a step. Each looks up keys and base URLs in its caller's variables. */
export interface ModelCalls {
  chat: CallModel
  embed: EmbedTexts
  image: MakeImages
  predict: Predict
  uploadInput: UploadInput
  check: CheckModel
}
