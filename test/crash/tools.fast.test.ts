// A chat step with tools whose process is killed in each turn: each answer of the model is paid once.
import { killInEachTurn } from './harness/tool-kills.ts'

killInEachTurn(2)
