/// What people write about in one language.
struct Phrasebook: Sendable {
    /// The `lang` field.
    let language: String
    let words: [String]
    let hashtags: [String]
    /// Whether words are divided by spaces.
    let hasSpaces: Bool

    private init(_ language: String, _ words: String, tags: String, hasSpaces: Bool = true) {
        self.language = language
        self.words = words.split(separator: " ").map(String.init)
        self.hashtags = tags.split(separator: " ").map(String.init)
        self.hasSpaces = hasSpaces
    }

    /// The languages, the frequent ones several times.
    static let all: [Phrasebook] =
        Array(repeating: english, count: 6) + Array(repeating: japanese, count: 3) + [spanish, spanish, portuguese]
        + [arabic, german, french, hindi, thai, chinese, korean, turkish, indonesian, hebrew, russian]

    private static let english = Phrasebook(
        "en",
        "the coffee this morning is better than any meeting I had all week and nobody will tell me otherwise because "
            + "rain train football election market server kernel release compiler album concert breakfast cats dogs "
            + "thread update don’t really think about how good it could be when everything just works again today",
        tags: "coffee football swift kafka postgres MondayMotivation NowPlaying cats election2026")
    private static let japanese = Phrasebook(
        "ja", "今日は とても 良い 天気 ですね。 コーヒー を 飲みながら 仕事 して います 明日 も がんばろう 新しい アルバム が 出た 猫 かわいい 電車 遅れてる",
        tags: "コーヒー 猫 おはよう アニメ 天気", hasSpaces: false)
    private static let spanish = Phrasebook(
        "es",
        "el café de la mañana está buenísimo y mañana será otro día para ver el fútbol con los amigos ¿verdad? ¡qué alegría niño",
        tags: "café fútbol España felizlunes")
    private static let portuguese = Phrasebook(
        "pt",
        "não acredito que o café acabou hoje à noite vai ter jogo e música boa coração saudade amanhã é outro dia",
        tags: "café futebol Brasil bomdia")
    private static let arabic = Phrasebook(
        "ar", "صباح الخير القهوة اليوم رائعة جدا مع الأصدقاء والمباراة القادمة ستكون قوية إن شاء الله شكرا لكم",
        tags: "قهوة صباح_الخير كرة_القدم")
    private static let german = Phrasebook(
        "de",
        "der Kaffee heute früh schmeckt großartig und über die Verspätung der Bahn ärgere ich mich natürlich schon wieder",
        tags: "Kaffee Fußball Bahn Wahl2026")
    private static let french = Phrasebook(
        "fr",
        "le café de ce matin était très bon où sont passés les élèves déjà l’été arrive bientôt ça va être génial",
        tags: "café été Paris")
    private static let hindi = Phrasebook(
        "hi", "आज सुबह की चाय बहुत अच्छी थी और क्रिकेट का मैच भी शानदार रहा धन्यवाद दोस्तों", tags: "चाय क्रिकेट भारत")
    private static let thai = Phrasebook(
        "th", "วันนี้ อากาศ ดีมาก กาแฟ อร่อย ที่สุด พรุ่งนี้ เจอกัน นะ รัก แมว", tags: "กาแฟ แมว ไทย", hasSpaces: false)
    private static let chinese = Phrasebook(
        "zh", "今天 早上 的 咖啡 非常 好喝 大家 晚安 猫咪 太 可爱 了 明天 见 新闻 音乐", tags: "咖啡 猫 早安", hasSpaces: false)
    private static let korean = Phrasebook(
        "ko", "오늘 아침 커피 정말 맛있어요 내일 또 만나요 고양이 너무 귀여워 새 앨범 나왔다", tags: "커피 고양이 음악")
    private static let turkish = Phrasebook(
        "tr", "bugün kahve çok güzel İstanbul yağmurlu ama maç akşam şahane olacak ığdır", tags: "kahve İstanbul maç")
    private static let indonesian = Phrasebook(
        "in", "kopi pagi ini enak sekali terima kasih teman besok ada pertandingan bola", tags: "kopi Jakarta bola")
    private static let hebrew = Phrasebook(
        "iw", "הקפה של הבוקר היה מצוין תודה לכולם ומחר יש משחק גדול", tags: "קפה בוקרטוב")
    private static let russian = Phrasebook(
        "ru", "утренний кофе сегодня отличный спасибо друзья завтра будет футбол и ещё дождь",
        tags: "кофе футбол Москва")

    /// One code point, several code points, joined, coloured, flags, keycaps, letters beyond the first plane, a combining accent.
    static let symbols = [
        "😀", "🚀", "☕️", "❤️", "👍🏽", "👩‍👩‍👧‍👦", "🏳️‍🌈", "🧑🏿‍💻", "🇩🇪", "🇯🇵", "1️⃣", "🐈‍⬛", "𝓗𝓮𝓵𝓵𝓸", "𠮷", "cafe\u{301}", "\u{2028}", "\u{200f}",
    ]

    static let cashtags = ["TSLA", "AAPL", "BTC", "ETH"]

    static let places: [(id: String, name: String, full: String, code: String, box: [Double])] = [
        ("3078869807f9dd36", "Berlin", "Berlin, Germany", "DE", [13.088304, 52.338079, 13.760909, 52.675323]),
        ("01a9a39529b27f36", "Manhattan", "Manhattan, NY", "US", [-74.026675, 40.683935, -73.910408, 40.877483]),
        ("4a40d9b2bf0ddd09", "Tokyo", "渋谷区, 東京都", "JP", [139.661444, 35.641798, 139.724034, 35.692241]),
        ("68e019afec7d0ba5", "São Paulo", "São Paulo, Brasil", "BR", [-46.826039, -24.008814, -46.365052, -23.356792]),
    ]
}
