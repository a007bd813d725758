package complexity

import (
	"strings"
	"unicode/utf8"
)

// class is a kind of word.
type class uint8

const (
	hardWord class = iota
	workWord
	mathsWord
	codeWord
	demandWord
	easyWord
	classes
)

// words are the lexicon: a class, and lines of at most 64, each one thing to say in all the languages. A star stands for
// any ending; Latin letters are without accents. Words of scripts without spaces are two characters.
var words = [classes][]string{
	hardWord: {
		"prove proves proved proven proving proof* disprove* beweis* demontr* demonstr* demuestr* dimostr* prova prove докаж* доказ* 证明 証明 论证 論証 증명",
		"derive derives derived deriving derivation* herleit* deduce* deduct* deduis* deducir* deduz* dedurre ableit* derivar выве* вывод* 推导 推導 導出 推论 유도",
		"design designs designing entwirf entwerf* concev* concoi* diseña* disena* progett* projet* projete* спроект* проектир* 设计 設計 설계",
		"architect* архитект* 架构 アー 아키",
		"optimi* ottim* otim* оптим* 优化 最优 最適 최적",
		"tradeoff* tradeoffs offs abwag* wage abwagung* compromis* kompromiss* 权衡 取舍 ドオ 장단",
		"algorithm* algoritm* algoritmo* algorithme* алгоритм* 算法 ルゴ 고리",
		"asymptot* laufzeit* runningtime rechenzeit* 复杂 算量 복잡",
		"justif* begrund* rechtfert* giustif* razona* обоснуй* обоснов* 理由 正当 정당",
		"invariant* invariante* инвариант* 不变",
		"counterexample* gegenbeispiel* contreexemple* contraejemplo* controesempio* contraexemplo* контрпример* 反例 반례",
		"deadlock* livelock* verklemm* взаимоблок* 死锁 デッ",
		"race races racing interleav* nebenlauf* гонк* 竞争 競合",
		"concurren* nebenlaufig* simultan* gleichzeitig* параллел* 并发 并行 並行 並列 동시",
		"distribut* verteilt* repartit* reparti* распредел* 分布 分散 분산",
		"consisten* konsisten* coheren* coerenz* согласован* 一致 整合 일관",
		"replicat* replikat* replic* репликац* 复制 レプ",
		"consensus raft paxos byzantin* elect* wahl* quorum* консенсус* 共识 合意",
		"lineariz* serializ* linearis* serialis* 线性 線形 直列",
		"formal* formally* rigor* rigour* streng exakt формальн* строго 严格 厳密",
		"hypothes* hypothese* hipotes* ipotesi гипотез* 假设 仮説 가설",
		"assumption* assume assumed assumes supuesto* annahme* voraussetz* suposicion* assunzion* предположен* 前提 仮定 가정",
		"critique* critici* kritisier* critiq* критик* 批判 批评",
		"evaluate evaluates evaluating evaluation* bewerte* evalu* valuta* avali* оцени* 评估 評価 평가",
		"diagnos* rootcause* ursache* диагност* 诊断 原因",
		"refactor* refaktor* restructur* рефактор* 重构",
		"migrat* migrac* migraz* миграц* 迁移 移行",
		"scalab* skalier* throughput latency latenz* latence latencia* latenza пропускн* задержк* 延迟 吞吐 遅延",
		"fault* failover tolerant* ausfall* panne* fallo* tolleran* отказ* 故障 容错 障害",
		"threat* vulnerab* exploit* angriff* bedrohung* уязвим* 威胁 脆弱",
		"strategy strategies strateg* strategie* estrateg* стратег* 策略 戦略 전략",
		"synthesi* reconcil* conflict* widerspr* contradict* противореч* 矛盾 衝突",
		"simulat* simulier* simul* симул* 模拟 シミ",
		"generali* verallgemein* generaliz* обобщ* 推广 一般",
		"induction* inductive* induktion* recurrence* induccion* induzione inducao индукц* 归纳 帰納 귀납",
		"reduce reduces reduction* nphard npcomplete* nphard* reduzier* сведи* 归约 帰着",
		"bound bounds bounded schranke* borne* cota* limite оценк* 上界 下界",
		"paradox* dilemma* парадокс* 悖论 逆説",
		"model modelling modeling modelier* modelis* modelar моделир* 建模 模型",
		"infer inference* schlussfolger* inferen* умозаключ* 推理 推論",
		"lockfree waitfree atomic* atomar* atomiq* атомарн* 原子",
		"correctness korrektheit correction correttezza correccion* korrekt correcao корректност* 正确 正し",
		"protocol* protokoll* protocole* протокол* 协议 プロ",
		"philosoph* epistem* ethic* ontolog* философ* 哲学",
		"jurisdict* enforceab* liabilit* haftung* responsabil* юрисдикц* 法律",
		"causal* kausal* confound* причинн* 因果",
		"parser* compiler* ubersetzer grammar* grammatik* компилятор* 编译",
		"classify classification* classifier* 分类 分類",
		"equilibri* gleichgewicht* equilibre* равновес* 均衡",
		"requirement* anforderung* exigence* requisito* требован* 需求 要件",
		"failure* versag* worst schlimmst* failing fails fallisce falla echou* 失败 失敗",
		"hardest difficult schwierig* difficile dificil сложн* 困难",
		"autonomous* agent* planner планировщ* 规划 計画",
		"schedule* scheduling vorrang* preempt* планирован* 调度",
		"conclude* conclusion* folger* concluir conclui* concluy* 结论 結論",
		"decide* decision* entscheid* decider decidir decisione decisao 决定 決定 判断",
		"impossib* unmoglich* imposib* невозможн* 不可 无法",
		"mechanism* mechanismus mecanism* meccanism* механизм* 机制 機構",
		"confirm* verify verifies verif* bestatig* провер* 验证 検証 검증",
		"investigat* untersuch* ermittl* examin* исследу* 考察 探究",
		"construct* konstru* construye construir construis* costrui* постро* 构造",
		"experiment* versuch* эксперимент* 实验 実験",
		"interact* wechselwirk* interaz* interac* взаимодейств* 相互 交互",
		"heurist* greedy эврист* approximat* approxim* aproxim* 近似 贪心",
	},
	workWord: {
		"explain explains explaining explanation* erklar* erlauter* expliq* explic* spiega* explica* explique* объясн* 解释 说明 説明 설명",
		"compare comparing comparison* vergleich* vergleiche compar* confront* сравн* 比较 比較 비교",
		"difference* unterschied* unterscheid* differenc* diferenc* differenz* отлич* разниц* 区别 差异 違い 차이",
		"analy* analiz* анализ* проанализ* 分析 분석",
		"write writes writing schreib* redige* ecris* ecrire escrib* scriv* escrev* напиш* 写一 书写 書き 書い 작성",
		"implement* implementier* implant* реализ* 实现 実装 구현",
		"function* funktion* fonction* funcion* funzion* funcao* функци* 函数 関数 함수",
		"code* programm* program* script* skript* codigo код* 代码 程序 コー 코드",
		"plan plans planning plane planen planifi* pianif* plano план* 计划 計画 계획",
		"draft drafts entwurf brouillon borrador bozza rascunho чернов* 起草 草案",
		"email* mail* letter* brief* lettre* carta* lettera* письм* 邮件 メー 메일",
		"summar* zusammenfass* resum* riassum* обобщ* 总结 概括 要約 요약",
		"describe* beschreib* decri* describ* descriv* descrev* опиш* 描述 記述",
		"recommend* empfehl* recommand* recomend* raccomand* посовет* рекоменд* 建议 推荐 提案 추천",
		"example* examples beispiel* exemple* ejemplo* esempio* exemplo* пример* 例子 举例 例文 예시",
		"why warum weshalb wieso pourquoi porque perche почему 为什 为何 なぜ",
		"how funktioniert comment come как 如何 怎么 どの",
		"debug* bug bugs fehler* erreur* depur* ошибк* отлад* 调试 错误 バグ",
		"test tests testing unittest* prufe* prueb* prova тест* 测试 テス",
		"fix fixes repair* behebe* corrig* исправ* 修复 修正",
		"review* uberpruf* bewert* revis* rivedi recension* рецензи* 评论 審査",
		"story* stories geschichte* histoire* historia* racconto* рассказ* 故事 物語",
		"essay* article* aufsatz* artikel* articulo* articolo* artigo* стать* 文章 記事",
		"rewrite* rephras* umformul* reformul* reescrib* riscriv* перепиш* 改写 書き",
		"outline* gliederung* structur* gliedere estructura* struttura* структур* 大纲 構成",
		"pros cons vorteil* nachteil* avantage* inconvenient* ventaja* desventaja* vantagg* svantagg* преимуществ* 优点 缺点 長所",
		"convert* umwandel* umwandl* convertir converti* 转换 変換",
		"calculat* berechn* calcul* рассчита* вычисл* 计算 計算 계산",
		"solve* solution* losung* lose resoud* resolv* risolv* solucion* реши* 解决 解き",
		"steps schritte schritt etape* paso* passo* passi шаг* 步骤 手順 단계",
		"query queries abfrage* requete* consulta* запрос* 查询",
		"create* erstell* cree* crea* criar созда* 创建 作成",
		"develop* entwickl* developp* desarroll* svilupp* desenvolv* разработ* 开发 開発 개발",
		"estimate* schatz* estim* stima* 估计 見積",
		"identify* identifizier* identifi* identific* выяв* 识别 特定",
		"discuss* diskutier* discut* обсуд* 讨论 議論 논의",
		"cause* ursache* grund причин* 原因",
		"advice* rat ratschlag* conseil* consejo* consiglio* conselho* совет* 意见 助言",
		"improve* verbess* amelior* mejora* miglior* melhor* улучш* 改进 改善",
		"propose* vorschlag* propos* propon* предлож* 提出 方案",
		"predict* vorhersag* predi* prever прогноз* 预测 予測",
		"research* recherch* investig* ricerca исследов* 研究 調査",
		"persuasive uberzeug* persuasi* convain* convinc* убедит* 说服",
		"risk risks risik* risque* riesgo* rischi* risco* риск* 风险 リス",
		"training* trainings* entrenamient* allenament* treino* тренировк* 训练",
	},
	mathsWord: {
		"theorem* satz theoreme* teorem* теорем* 定理 정리",
		"lemma* corollar* korollar* 引理 補題",
		"integral* integrat* integrier* интеграл* 积分 積分 적분",
		"derivative* differentia* ableitung* derivee* derivada* derivata* производн* 导数 微分 미분",
		"matrix matrices matriz* matrice* matrizen матриц* 矩阵 行列 행렬",
		"eigenvalue* eigenvektor* eigenwert* autovalor* собственн* 特征 固有",
		"probabilit* wahrscheinlich* probabil* вероятн* 概率 確率 확률",
		"polynomial* polynom* polinom* многочлен* 多项 多項",
		"converge* konverg* convergen* сходит* сходим* 收敛 収束",
		"continuous* stetig* continue continu* непрерывн* 连续 連続",
		"prime primes primzahl* premiers primos primi простых 素数 质数 소수",
		"modulo congruent* kongruen* сравним* 同余 合同",
		"equation* gleichung* ecuacion* equazion* equacao* уравнен* 方程 방정",
		"inequalit* ungleichung* inegalit* desiguald* неравенств* 不等 부등",
		"infinit* unendlich* infini* бесконечн* 无穷 無限 무한",
		"compact* kompakt* компактн* 紧致 コン",
		"group groups gruppe* groupe* grupo* gruppo gruppi abelian* abel* группа 群论",
		"ring rings module* modulo* anneau* коммутат* kommutat* commutat* 交换",
		"graph graphs graphen граф* 图论 グラ",
		"geometr* triangle* dreieck* triangul* геометр* треугольн* 几何 幾何 기하",
		"topolog* metric* metrik* metriq* тополог* 拓扑 位相",
		"vector* vektor* vecteur* вектор* 向量 ベク",
		"statistic* regress* variance* varianz* статист* дисперс* 统计 統計 통계",
		"combinator* kombinator* combinat* permut* комбинатор* 组合 組合 조합",
		"exponent* logarithm* logarit* логарифм* 指数 対数",
		"recursion recursiv* recursive* rekurs* рекурс* 递归 再帰 재귀",
		"uniform* gleichmassig* gaussian* gauss* normalverteil* 均匀 正規",
		"expectation variance esperance esperanza erwartungswert* 期望 期待",
		"show zeige zeigt montrez montre muestra mostra mostre покажи* показать",
		"optimum maximum minimum maxim* minim* максим* миним* 最大 最小",
		"algebra* algebr* алгебр* 代数",
		"function homomorph* isomorph* endomorph* bijecti* surjecti* injecti* отображен* 映射 写像",
		"set sets subset* menge* ensemble* conjunto* insieme* множеств* 集合 집합",
		"asymptot* сложност* 渐近 漸近",
	},
	codeWord: {
		"python python3 파이 パイ", "java kotlin scala", "javascript js typescript ts nodejs", "golang rust cpp csharp zig haskell",
		"sql postgres* mysql sqlite mongodb redis", "bash shell zsh powershell cron", "regex* regexp*", "docker* kubernetes terraform helm",
		"react vue angular svelte css html", "api apis endpoint* rest graphql grpc", "json yaml xml csv", "git github commit* merge rebase",
		"func fn def elif lambda", "const var enum struct typedef impl", "async await promise goroutine*", "println printf console stdout stderr",
		"malloc nullptr sizeof void uint", "args kwargs self init isinstance", "tcp udp http https tls dns", "compile* compiler* linker build",
		"thread threads mutex* mu lock locks", "queue queues stack heap pointer* buffer*", "exception* traceback* stacktrace* panic* segfault*",
		"unittest* pytest junit mock*", "select join where groupby orderby", "database* datenbank* schema* index indexes базы 数据",
		"server* service* microservice* monolith* сервер* 服务", "cache caches cached caching", "repository repo codebase", "class classes subclass* interface*",
	},
	demandWord: {
		"must muss mussen musst doit doivent debe deben deve devono devem должн* 必须 必要",
		"should sollte sollten soll devrait deberia dovrebbe deveria следует 应该 すべ",
		"least mindestens moins menos almeno pelo минимум 至少 少な 최소",
		"most hochstens maximal massimo maximo более 最多 不超 以内",
		"without ohne sans sin senza sem без 不得 なし",
		"each every jede jeder jedes jeden chaque cada ogni каждый каждого каждую каждой 每个 每一",
		"only nur seulement solo soltanto apenas somente только 只能 のみ",
		"never nie niemals jamais nunca никогда не 不能 不可",
		"exactly genau exactement exactamente esattamente exatamente ровно точно 恰好",
		"avoid* vermeid* eviter evitar evita избег* 避免 避け",
		"ensure* sicherstell* assurer asegura* assicura* garant* гарант* 确保 保証",
		"constraint* condition* bedingung* contrainte* restricc* vincol* услови* 约束 条件 制約",
		"cannot unable ausgeschlossen impossib* нельзя 禁止",
		"including include includes einschliesslich incluant incluy* includ* включ* 包括 含め",
		"format formatted table tabelle tableau tabla таблиц* 格式 形式",
		"words worter mots palabras parole palavras слов 字数 文字",
		"under unter percent* prozent* 以下 未満",
		"both beide beiden sowohl ambos entrambi оба 两者 両方",
		"even selbst auch meme incluso anche mesmo даже 即使",
		"then dann danach puis ensuite luego poi entao затем 然后 その 다음",
		"also ausserdem zudem aussi tambien inoltre tambem также 此外 さら 또한",
		"given folgend* suivant* siguiente* seguente* seguinte* следующ* 以下 次の 다음",
	},
	easyWord: {
		"translat* ubersetz* tradui* traduce traduci traduza traduz переве* 翻译 翻訳 번역",
		"hello hi hey hallo bonjour salut hola ciao ola привет здравств* 你好 こん 안녕",
		"thanks thank danke merci gracias grazie obrigad* спасибо 谢谢 感謝 감사",
		"spell* spelling rechtschreib* orthograph* ortograf* орфограф* 拼写",
		"synonym* sinonim* antonym* синоним* 同义 類義",
		"capital hauptstadt capitale столиц* 首都 首府 수도",
		"yes no oui si nein ja да нет 是否",
		"classify label labels tag sentiment* klassifizier* 标签 感情",
		"extract* extrahier* extrai* estrai* извлек* 提取 抽出",
		"who wer qui quien chi quem кто 谁是",
		"when wann quand cuando quando когда 何时",
		"convert umrechn* 换算 換算",
		"what which was welche* quelle* cual che qual какая какой 什么 何で 무엇",
		"where wo dove donde где 哪里 どこ 어디",
		"colour color farbe couleur* colore цвет* 颜色 何色",
		"greeting* gluckwunsch* birthday geburtstag* 祝福",
		"title titel titre titulo titolo заголов* 标题 題名",
		"sentence satz phrase frase предложени* 句子 一文",
		"politer polite shorter hoflicher 礼貌",
		"alphabetical alphabetisch* 字母",
		"mean means bedeutet signifie significa означает 意思 意味",
		"stand stands steht",
		"english englisch* anglais ingles inglese английск* 英语 英語 영어",
	},
}

// entry is one word of the lexicon.
type entry struct {
	text  string
	any   bool // any ending
	class class
	bit   uint8
}

func (e *entry) matches(word []byte) bool {
	if e.any {
		return len(word) >= len(e.text) && string(word[:len(e.text)]) == e.text
	}
	return string(word) == e.text
}

// buckets are as many as make collisions rare.
const buckets = 4096

// lexicon are the words by bucket, pairs those of two characters.
var lexicon, pairs = func() (all [buckets][]entry, two map[[2]rune]entry) {
	two = make(map[[2]rune]entry)
	for c, lines := range words {
		for bit, line := range lines {
			for w := range strings.FieldsSeq(line) {
				e := entry{text: strings.TrimSuffix(w, "*"), any: strings.HasSuffix(w, "*"), class: class(c), bit: uint8(bit)} //nolint:gosec // a handful
				if r := []rune(e.text); ideographic(r[0]) {
					if len(r) == 2 {
						two[[2]rune{r[0], r[1]}] = e
					}
					continue
				}
				b := bucket([]byte(e.text))
				all[b] = append(all[b], e)
			}
		}
	}
	return all, two
}()

// likely tells most characters that are no pair of the lexicon without a look at pairs.
var likely = func() (l [buckets]bool) {
	for p := range pairs {
		l[pairBucket(p[0], p[1])] = true
	}
	return l
}()

func pairBucket(a, b rune) uint32 { return (uint32(a)*31 + uint32(b)) % buckets } //nolint:gosec // any bits will do

// bucket goes by the first four bytes of a word, or six beyond ASCII, where a letter has two; no word of the lexicon with
// any ending is shorter.
func bucket(word []byte) uint64 {
	n := 4
	if word[0] >= utf8.RuneSelf {
		n = 6
	}
	key := uint64(0)
	for _, c := range word[:min(n, len(word))] {
		key = key<<8 | uint64(c)
	}
	return key * 0x9e3779b97f4a7c15 >> 52 % buckets
}
